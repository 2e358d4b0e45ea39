import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const jest = join(dirname(createRequire(import.meta.url).resolve('jest/package.json')), 'bin/jest.js');

/**
 * Runs a Jest project that takes minutes, with this process's arguments, and prints all figures that its specs reported as one
 * JSON line; the process ends as Jest did.
 *
 * @param options.env besides this process's own; `<PROJECT>_REPORT` is where specs append their figures
 * @param options.figures told besides
 */
export function longRun(project, { env = {}, figures: told = {} } = {}) {
  const folder = mkdtempSync(join(tmpdir(), `tollgate-${project}-`));
  const report = join(folder, 'figures.ndjson');
  writeFileSync(report, '');
  const startedAtMs = performance.now();
  const { status } = spawnSync(
    process.execPath,
    [jest, '--selectProjects', project, '--runInBand', ...process.argv.slice(2)],
    { stdio: 'inherit', env: { ...process.env, ...env, [`${project.toUpperCase()}_REPORT`]: report } },
  );
  const lines = readFileSync(report, 'utf8').split('\n').filter(Boolean);
  const figures = Object.assign({}, ...lines.map((line) => JSON.parse(line)));
  rmSync(folder, { recursive: true });
  const seconds = Math.round((performance.now() - startedAtMs) / 1000);
  process.stdout.write(`${JSON.stringify({ [project]: { ...told, passed: status === 0, seconds, ...figures } })}\n`);
  process.exitCode = status ?? 1;
}
