import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ALERT_TYPES } from '../libs/contract/src/index.js';
import { ERROR_CATALOGUE } from '../libs/protocol/src/index.js';
import { environment } from '../libs/runtime/src/settings.js';

const ROOT = join(__dirname, '..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

/** The first cells of a Markdown table's rows that hold code. */
function rowsOf(markdown: string): string[][] {
  return markdown
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

const bare = (cell = '') => cell.replaceAll('`', '');

describe('docs/errors.md', () => {
  it('lists exactly the errors of the catalogue, with their status and type', () => {
    const documented = rowsOf(read('docs/errors.md')).map(([code, status, type]) => [
      bare(code),
      Number(status),
      bare(type),
    ]);
    const catalogue = Object.entries(ERROR_CATALOGUE).map(([code, { status, type }]) => [code, status, type]);
    expect(documented.toSorted()).toEqual(catalogue.toSorted());
  });
});

describe('docs/alerts.md', () => {
  it('lists exactly the types of alerts', () => {
    const documented = rowsOf(read('docs/alerts.md')).map(([type]) => bare(type));
    expect(documented.toSorted()).toEqual([...ALERT_TYPES].toSorted());
  });
});

describe('docs/admin-api.md', () => {
  it('lists exactly the codes of problems that every route may have, with their status', () => {
    const documented = rowsOf(read('docs/admin-api.md')).map(([code, status]) => [bare(code), status]);
    const source = read('apps/gateway/src/http/admin-problem.ts');
    const problems = [...source.matchAll(/new AdminProblem\(\s*(\d{3}),\s*'(\w+)'/g)].map(([, status, code]) => [
      code,
      status,
    ]);
    expect(documented.toSorted()).toEqual(problems.toSorted());
  });
});

describe('docs/operators.md', () => {
  it('lists exactly the environment variables that are read, with their defaults', () => {
    const section = read('docs/operators.md').split('## Environment')[1]?.split('\n## ')[0] ?? '';
    const documented = rowsOf(section);
    expect(documented.map(([name]) => bare(name)).toSorted()).toEqual(Object.keys(environment.shape).toSorted());
    const defaults = Object.entries(environment.parse({})).filter(([, value]) => value !== undefined);
    for (const [name, value] of defaults) {
      const row = documented.find(([documentedName]) => bare(documentedName) === name);
      expect(bare(row?.[1])).toBe(String(value));
    }
  });
});

describe('links in the documentation', () => {
  it.each([
    'README.md',
    'README.zh-CN.md',
    'ARCHITECTURE.md',
    'CONTRIBUTING.md',
    'docs/operators.md',
    'docs/admin-api.md',
    'docs/sign-in.md',
    'docs/cache-health.md',
    'docs/audit.md',
    'docs/cli.md',
    'docs/configuration-file.md',
    'docs/developers.md',
  ])('of %s lead to files that exist', (path) => {
    const folder = join(ROOT, path, '..');
    const targets = [...read(path).matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, target = '']) =>
      join(folder, target),
    );
    for (const target of targets) {
      expect(readdirSync(join(target, '..'))).toContain(target.split('/').at(-1));
    }
  });

  it('and the code map of ARCHITECTURE.md names every lib', () => {
    const map = read('ARCHITECTURE.md');
    for (const lib of readdirSync(join(ROOT, 'libs'))) expect(map).toContain(`${lib}/`);
  });
});
