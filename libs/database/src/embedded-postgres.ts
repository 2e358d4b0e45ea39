import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, mkdirSync, openSync, closeSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { isProcessAlive, isProgramAlive } from '@app/runtime';
import { locateBinaries, type ProcessOwner, serverOwner } from './postgres-binaries.js';

export interface EmbeddedPostgresOptions {
  /** Where the cluster lives, in `pg18/`; made when missing. */
  dataDir: string;
  database: string;
  /** For tests: no fsync, data may be lost on a crash. */
  isThrowAway?: boolean;
}

export interface EmbeddedPostgres {
  /** Connection string, with password. */
  readonly url: string;
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 30_000;
const SUPERUSER = 'postgres';

/**
 * Starts a PostgreSQL of its own below `dataDir`, or adopts the one that a killed process left running there. It listens on
 * loopback only, with a password kept in `dataDir` (mode 600).
 *
 * @throws Error with one line that says what to do
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const dataDir = resolve(options.dataDir);
  const cluster = join(dataDir, 'pg18');
  mkdirSync(dataDir, { recursive: true });
  const owner = serverOwner();
  const binaries = locateBinaries(dataDir, owner);
  const password = readOrMakePassword(dataDir);
  const urlOf = (port: number, database: string) =>
    `postgresql://${SUPERUSER}:${password}@127.0.0.1:${port}/${encodeURIComponent(database)}`;

  let server = runningServer(cluster);
  if (!server) {
    if (!existsSync(join(cluster, 'PG_VERSION'))) initCluster({ cluster, binaries, owner, password, options });
    server = await startServer({ cluster, binaries, owner, dataDir, options });
  }
  const { pid, port } = server;
  await waitUntilReady(urlOf(port, 'postgres'), pid, join(dataDir, 'postgres.log'));
  await createDatabase(urlOf(port, 'postgres'), options.database);
  return { url: urlOf(port, options.database), stop: () => stopServer(pid) };
}

interface Server {
  pid: number;
  port: number;
}

interface ServerFiles {
  cluster: string;
  binaries: string;
  owner: ProcessOwner;
  options: EmbeddedPostgresOptions;
}

/** The server that already runs on this cluster, after a kill -9 of its parent. */
function runningServer(cluster: string): Server | null {
  const pidFile = join(cluster, 'postmaster.pid');
  if (!existsSync(pidFile)) return null;
  const [pid, , , port] = readFileSync(pidFile, 'utf8').split('\n').map(Number);
  return pid && port && isProgramAlive(pid, 'postgres') ? { pid, port } : null;
}

function initCluster({ cluster, binaries, owner, password, options }: ServerFiles & { password: string }): void {
  // A cluster without PG_VERSION is what a killed initdb left behind.
  rmSync(cluster, { recursive: true, force: true });
  mkdirSync(cluster, { recursive: true, mode: 0o700 });
  const passwordFile = `${cluster}.password`;
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (owner.uid !== undefined) {
    chownSync(cluster, owner.uid, owner.gid ?? owner.uid);
    chownSync(passwordFile, owner.uid, owner.gid ?? owner.uid);
  }
  const args = ['-D', cluster, '-U', SUPERUSER, '-A', 'scram-sha-256', `--pwfile=${passwordFile}`, '-E', 'UTF8'];
  const result = spawnSync(
    join(binaries, 'bin', 'initdb'),
    [...args, '--locale=C', ...(options.isThrowAway ? ['--no-sync'] : [])],
    { ...owner, env: serverEnvironment(), cwd: '/', encoding: 'utf8' },
  );
  rmSync(passwordFile, { force: true });
  if (result.status === 0) return;
  rmSync(cluster, { recursive: true, force: true });
  throw new Error(`embedded PostgreSQL: initdb failed: ${(result.error?.message ?? result.stderr).trim()}`);
}

async function startServer(files: ServerFiles & { dataDir: string }): Promise<Server> {
  const { cluster, binaries, owner, dataDir, options } = files;
  const port = await freePort();
  const set = (name: string, value: string) => ['-c', `${name}=${value}`];
  const log = openSync(join(dataDir, 'postgres.log'), 'a', 0o600);
  // `detached`: a Ctrl-C in the terminal reaches the whole foreground group, and PostgreSQL must outlive the gateway's flush.
  const child = spawn(
    join(binaries, 'bin', 'postgres'),
    [
      '-D',
      cluster,
      '-p',
      String(port),
      ...set('listen_addresses', '127.0.0.1'),
      ...set('unix_socket_directories', ''),
      ...set('max_connections', '100'),
      ...(options.isThrowAway
        ? [...set('fsync', 'off'), ...set('full_page_writes', 'off'), ...set('synchronous_commit', 'off')]
        : []),
    ],
    { ...owner, env: serverEnvironment(), cwd: '/', stdio: ['ignore', 'ignore', log], detached: true },
  );
  closeSync(log);
  child.unref();
  const failed = new Promise<never>((_, reject) => {
    child.once('error', (error) => reject(new Error(`embedded PostgreSQL: ${error.message}`, { cause: error })));
  });
  await Promise.race([failed, new Promise((started) => child.once('spawn', started))]);
  return { pid: child.pid ?? 0, port };
}

async function waitUntilReady(url: string, pid: number, logFile: string): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
    try {
      await client.connect();
      return;
    } catch (error) {
      if (!isProcessAlive(pid) || Date.now() > deadline) {
        throw new Error(`embedded PostgreSQL did not start: see ${logFile}, or set DATABASE_URL`, { cause: error });
      }
      await delay(25);
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}

async function createDatabase(url: string, database: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [database]);
    if (!rowCount) await client.query(`CREATE DATABASE "${database.replaceAll('"', '""')}"`);
  } finally {
    await client.end();
  }
}

/** SIGINT is PostgreSQL's fast shutdown: sessions are cut, data is safe. */
async function stopServer(pid: number): Promise<void> {
  if (!isProcessAlive(pid)) return;
  process.kill(pid, 'SIGINT');
  for (let i = 0; i < 500 && isProcessAlive(pid); i++) await delay(20);
}

function readOrMakePassword(dataDir: string): string {
  const file = join(dataDir, 'postgres-password');
  if (!existsSync(file)) writeFileSync(file, randomBytes(24).toString('base64url'), { mode: 0o600 });
  return readFileSync(file, 'utf8').trim();
}

function serverEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' };
}

function freePort(): Promise<number> {
  return new Promise((found) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => found(port));
    });
  });
}
