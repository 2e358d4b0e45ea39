// Builds dist/: the Prisma client, then every app and lib by SWC (types are checked by `npm run types`), then the gateway and
// the command line, each in one file.
//   --if-changed    only when a source file differs from the last build
//   --client-only   only the Prisma client, which the type checker needs
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, cpSync, existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from './bundle.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const generated = 'libs/database/src/generated';
const flags = new Set(process.argv.slice(2));

function sources(folder) {
  return readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /\.(ts|tsx|json|html|css|prisma|sql)$/.test(entry.name))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .filter((path) => !path.startsWith(join(root, generated)));
}

function fingerprint(paths) {
  const hash = createHash('sha256').update(process.version);
  for (const path of paths.toSorted()) hash.update(path.slice(root.length)).update(readFileSync(path));
  return hash.digest('hex');
}

/** Runs `work` unless the stamp file says that it was already done for the same sources. */
async function unlessDone({ stamp, paths, always }, work) {
  const file = join(root, stamp);
  const wanted = fingerprint(paths);
  if (!always && existsSync(file) && readFileSync(file, 'utf8') === wanted) return;
  await work();
  writeFileSync(file, wanted);
}

function run(bin, ...args) {
  execFileSync(process.execPath, [join(root, 'node_modules', bin), ...args], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, PRISMA_HIDE_UPDATE_MESSAGE: '1', NODE_NO_WARNINGS: '1' },
  });
}

const configs = ['package.json', '.swcrc', 'prisma.config.ts', 'scripts/bundle.mjs'].map((file) => join(root, file));
await unlessDone({ stamp: `${generated}/.stamp`, paths: [...sources('prisma'), ...configs] }, () =>
  run('prisma/build/index.js', 'generate'),
);
if (!flags.has('--client-only')) {
  const paths = [...sources('apps'), ...sources('libs'), ...sources('prisma'), ...configs];
  await unlessDone({ stamp: 'dist/.stamp', paths, always: !flags.has('--if-changed') }, async () => {
    run('@swc/cli/bin/swc.js', 'apps', 'libs', '-d', 'dist', '--delete-dir-on-start', '--quiet');
    const folder = join(root, 'dist');
    const transcripts = 'apps/cli/src/selftest/transcripts';
    cpSync(join(root, transcripts), join(folder, transcripts), { recursive: true });
    await bundle({ entry: join(folder, 'apps/gateway/src/main.js'), folder, file: join(folder, 'gateway.js') });
    const cli = join(folder, 'cli.js');
    await bundle({ entry: join(folder, 'apps/cli/src/main.js'), folder, file: cli });
    // For whoever starts it by a link to it, as `npx` and the image do.
    chmodSync(cli, 0o755);
  });
}
