import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const jest = join(dirname(createRequire(import.meta.url).resolve('jest/package.json')), 'bin/jest.js');
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Runs a Jest project that is not part of `npm test`.
 *
 * @param options.env besides this process's own; `<PROJECT>_REPORT` is where specs append their figures
 * @param options.isQuiet Jest's own words are returned, not printed
 * @returns how Jest ended, and all figures that its specs reported
 */
export function runProject(project, { env = {}, jestArguments = [], isQuiet = false } = {}) {
  const folder = mkdtempSync(join(tmpdir(), `tollgate-${project}-`));
  const report = join(folder, 'figures.ndjson');
  writeFileSync(report, '');
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [jest, '--selectProjects', project, '--runInBand', ...jestArguments],
    {
      stdio: isQuiet ? 'pipe' : 'inherit',
      encoding: 'utf8',
      maxBuffer: OUTPUT_BYTES_MAX,
      env: { ...process.env, ...env, [`${project.toUpperCase()}_REPORT`]: report },
    },
  );
  const lines = readFileSync(report, 'utf8').split('\n').filter(Boolean);
  rmSync(folder, { recursive: true });
  return {
    status: status ?? 1,
    figures: Object.assign({}, ...lines.map((line) => JSON.parse(line))),
    output: `${stdout ?? ''}${stderr ?? ''}`,
  };
}

/**
 * Runs a Jest project that takes minutes, with this process's arguments, and prints all figures that its specs reported as one
 * JSON line; the process ends as Jest did.
 *
 * @param options.env besides this process's own
 * @param options.figures told besides
 */
export function longRun(project, { env = {}, figures: told = {} } = {}) {
  const startedAtMs = performance.now();
  const { status, figures } = runProject(project, { env, jestArguments: process.argv.slice(2) });
  const seconds = Math.round((performance.now() - startedAtMs) / 1000);
  process.stdout.write(`${JSON.stringify({ [project]: { ...told, passed: status === 0, seconds, ...figures } })}\n`);
  process.exitCode = status;
}
