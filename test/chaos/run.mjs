// Gateways that are killed, and a PostgreSQL that is away: npm run chaos [-- -t NAME]. CHAOS_ROUNDS (30), CHAOS_CLIENTS (300),
// CHAOS_OUTAGE_SECONDS (300), CHAOS_PER_SECOND (200). Prints all figures as one JSON line at the end.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const jest = join(dirname(createRequire(import.meta.url).resolve('jest/package.json')), 'bin/jest.js');
const folder = mkdtempSync(join(tmpdir(), 'tollgate-chaos-'));
const report = join(folder, 'figures.ndjson');
writeFileSync(report, '');
const startedAtMs = performance.now();
const { status } = spawnSync(
  process.execPath,
  [jest, '--selectProjects', 'chaos', '--runInBand', ...process.argv.slice(2)],
  { stdio: 'inherit', env: { ...process.env, CHAOS_REPORT: report } },
);
const figures = Object.assign(
  {},
  ...readFileSync(report, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line)),
);
rmSync(folder, { recursive: true });
const seconds = Math.round((performance.now() - startedAtMs) / 1000);
process.stdout.write(`${JSON.stringify({ chaos: { passed: status === 0, seconds, ...figures } })}\n`);
process.exitCode = status ?? 1;
