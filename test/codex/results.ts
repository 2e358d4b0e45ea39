import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { errorTable, type Results, withTable, worksTable } from './tables.js';

/** Whether every case is to be played to its end, which takes minutes, and its result to be written down. */
export const IS_LONG = process.env.CODEX_LONG === '1';

const RESULTS = join(__dirname, 'results.json');
const DOCUMENT = join(__dirname, '../../docs/codex.md');

export function readResults(): Results {
  return JSON.parse(readFileSync(RESULTS, 'utf8')) as Results;
}

/** The page with the tables that belong into it. */
export function renderDocument(results: Results): string {
  const page = readFileSync(DOCUMENT, 'utf8');
  return withTable(withTable(page, 'works', worksTable(results)), 'errors', errorTable(results));
}

/** Replaces a part of results.json, and with it the tables of docs/codex.md; of a short run nothing is kept. */
export function keepResults(part: Partial<Pick<Results, 'configuration' | 'work' | 'errors'>>): void {
  if (!IS_LONG) return;
  const results: Results = {
    ...readResults(),
    ...part,
    measuredOn: new Date().toISOString().slice(0, 10),
    machine: `${cpus().length} × ${cpus()[0]?.model ?? process.arch}, ${process.platform}, Node ${process.version}`,
  };
  writeFileSync(RESULTS, `${JSON.stringify(results, null, 2)}\n`);
  writeFileSync(DOCUMENT, renderDocument(results));
}
