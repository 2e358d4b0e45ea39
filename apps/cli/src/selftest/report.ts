import type { CheckResult } from './check.js';
import type { SelfTestReport } from './self-test.js';

const MARKS: Readonly<Record<CheckResult['result'], string>> = { passed: 'ok', failed: 'FAILED', skipped: 'skipped' };

/** Whether every promise was kept and nothing was left behind. */
export function hasPassed({ results, left }: SelfTestReport): boolean {
  return left.length === 0 && results.every(({ result }) => result !== 'failed');
}

/** The report as a table, and below it what was seen where a promise is broken or nothing could be found out. */
export function toTable(report: SelfTestReport): string {
  const { results, left, kept, ms } = report;
  const header = ['check', 'expected', 'result', 'ms'];
  const rows = results.map(({ name, promise, result, ms: took }) => [name, promise, MARKS[result], String(took)]);
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => (column === 3 ? cell.padStart(widths[3] ?? 0) : cell.padEnd(widths[column] ?? 0)))
      .join('  ');
  const notes = results
    .filter(({ result }) => result !== 'passed')
    .map(({ name, result, seen }) => `${MARKS[result]} ${name}: ${seen}`);
  const count = (wanted: CheckResult['result']) => results.filter(({ result }) => result === wanted).length;
  return [
    line(header),
    line(widths.map((width) => '-'.repeat(width))),
    ...rows.map(line),
    '',
    ...notes,
    ...(kept === null ? [] : [`Kept: groups, keys, upstreams and models whose names begin with ${kept}-`]),
    ...left.map((what) => `Could not be removed: ${what}`),
    `${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} skipped in ${(ms / 1000).toFixed(1)} s`,
    '',
  ].join('\n');
}

/** The report for programs. */
export function toJson(report: SelfTestReport): string {
  const { results, left, kept, ms } = report;
  return `${JSON.stringify({ passed: hasPassed(report), ms, checks: results, left_behind: left, kept }, null, 2)}\n`;
}
