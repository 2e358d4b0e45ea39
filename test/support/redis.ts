import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

const PROGRAMS = ['redis-server', 'valkey-server'];
const START_TIMEOUT_MS = 5_000;

/** A Redis (or Valkey) of one spec, on a free port, that keeps nothing on disk. */
export class TestRedis {
  private constructor(
    readonly url: string,
    readonly port: number,
    private readonly server: ChildProcess,
    private readonly folder: string,
  ) {}

  /** Whether this machine has a server. Says on stderr how to install one when it has not. */
  static isInstalled(): boolean {
    if (program() !== null) return true;
    process.stderr.write('skipped: neither redis-server nor valkey-server is here; apt-get install -y redis-server\n');
    return false;
  }

  /** @param port given by a test whose gateway is to find it again where it was */
  static async start(port?: number): Promise<TestRedis> {
    const path = program();
    if (path === null) throw new Error('there is no redis-server: apt-get install -y redis-server');
    const listenPort = port ?? (await freePort());
    const folder = mkdtempSync(join(tmpdir(), 'tollgate-redis-'));
    const settings = { port: listenPort, bind: '127.0.0.1', save: '', appendonly: 'no', dir: folder };
    const server = spawn(
      path,
      Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]),
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    await started(server);
    return new TestRedis(`redis://127.0.0.1:${listenPort}`, listenPort, server, folder);
  }

  /** `SIGSTOP` lets it hang, `SIGCONT` go on, `SIGKILL` dies at once. Resolves when an ended one has ended. */
  async kill(signal: NodeJS.Signals): Promise<void> {
    if (this.hasEnded) return;
    const exited = once(this.server, 'exit');
    this.server.kill(signal);
    if (signal === 'SIGKILL' || signal === 'SIGTERM') await exited;
  }

  /** Ends it, whatever state it is in, and leaves nothing behind. */
  async stop(): Promise<void> {
    await this.kill('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }

  private get hasEnded(): boolean {
    return this.server.exitCode !== null || this.server.signalCode !== null;
  }
}

function program(): string | null {
  const folders = (process.env.PATH ?? '').split(delimiter);
  for (const name of PROGRAMS) {
    const folder = folders.find((candidate) => existsSync(join(candidate, name)));
    if (folder !== undefined) return join(folder, name);
  }
  return null;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function started(server: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let output = '';
    const timer = setTimeout(() => reject(new Error(`redis did not start:\n${output}`)), START_TIMEOUT_MS);
    server.once('error', reject);
    server.once('exit', () => reject(new Error(`redis did not start:\n${output}`)));
    server.stdout?.on('data', (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-4_000);
      if (!output.includes('eady to accept connections')) return;
      clearTimeout(timer);
      resolve();
    });
  });
}
