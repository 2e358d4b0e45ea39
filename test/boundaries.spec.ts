import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const ROOT = join(__dirname, '..');
const CRUISER = join(ROOT, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');

/** A small tree laid out like ours. */
const CLEAN = {
  'tsconfig.json': JSON.stringify({
    compilerOptions: {
      module: 'nodenext',
      moduleResolution: 'nodenext',
      paths: { '@app/*': ['./libs/*/src/index.ts'] },
    },
  }),
  'package.json': '{"type":"module"}',
  'libs/protocol/src/index.ts': 'export const protocol = 1;',
  'libs/runtime/src/index.ts': 'export const runtime = 1;',
  'libs/keys/src/index.ts': "export { ring } from './ring.js';",
  'libs/keys/src/ring.ts': 'export const ring = 1;',
  'apps/gateway/src/main.ts': "import '@app/keys';",
  'node_modules/fastify/package.json': '{"name":"fastify","main":"index.js"}',
  'node_modules/fastify/index.js': '',
  'node_modules/@nestjs/common/package.json': '{"name":"@nestjs/common","main":"index.js"}',
  'node_modules/@nestjs/common/index.js': '',
};

/** One violation per file: what it imports, and the rule that has to catch it. */
const PLANTED: [file: string, text: string, rule: string][] = [
  ['libs/runtime/src/peer.ts', "import '@app/keys';", 'libs/runtime-imports-only-itself'],
  ['libs/keys/src/upward.ts', "import '../../../apps/gateway/src/main.js';", 'libs/keys-imports-only-'],
  ['apps/gateway/src/past-the-door.ts', "import '../../../libs/keys/src/ring.js';", 'apps/gateway-imports-only-'],
  ['libs/keys/src/own-door.ts', "import './index.js';", 'no-own-door'],
  ['libs/protocol/src/framework.ts', "import '@nestjs/common';", 'pure-libs-know-no-framework'],
  ['libs/keys/src/http.ts', "import 'fastify';", 'http-stays-in-apps'],
  ['apps/cli/src/heavy.ts', "import '@nestjs/common';", 'the-command-line-starts-at-once'],
  ['apps/cli/src/database.ts', "import '@app/keys';", 'apps/cli-imports-only-contract-config-file'],
  ['libs/keys/src/circle.ts', "import './other-half.js';", 'no-cycles'],
  [
    'apps/gateway/src/generated.ts',
    "import '../../../libs/database/src/generated/client.js';",
    'one-importer-of-the-generated-client',
  ],
];

interface Violation {
  from: string;
  to: string;
  rule: { name: string };
}

function violationsIn(files: Record<string, string>): Violation[] {
  const tree = mkdtempSync(join(tmpdir(), 'tollgate-boundaries-'));
  try {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(tree, name)), { recursive: true });
      writeFileSync(join(tree, name), text);
    }
    copyFileSync(join(ROOT, '.dependency-cruiser.mjs'), join(tree, 'rules.mjs'));
    const args = ['--config', 'rules.mjs', '--output-type', 'json', 'apps', 'libs'];
    const { stdout } = spawnSync(process.execPath, [CRUISER, ...args], { cwd: tree, encoding: 'utf8' });
    return (JSON.parse(stdout) as { summary: { violations: Violation[] } }).summary.violations;
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}

describe('import boundaries', () => {
  it('let a tree without violations pass', () => {
    expect(violationsIn(CLEAN)).toEqual([]);
  });

  it('catch every planted violation, each by its own rule', () => {
    const found = violationsIn({
      ...CLEAN,
      'libs/database/src/generated/client.ts': '',
      'libs/keys/src/other-half.ts': "import './circle.js';",
      ...Object.fromEntries(PLANTED.map(([file, text]) => [file, text])),
    });
    for (const [file, , rule] of PLANTED) {
      expect(
        found.filter(({ from, to }) => from === file || to === file).map(({ rule: { name } }) => name),
      ).toContainEqual(expect.stringContaining(rule));
    }
  });
});
