import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Request } from '@app/contract';
import { AdminClient } from './admin-client.js';
import { createDatabase, type TestDatabase } from './database.js';
import { eventually } from './eventually.js';

const MAIN = join(__dirname, '../../dist/gateway.js');
const STOP_TIMEOUT_MS = 15_000;
/**
 * A run starts a hundred gateways, and each start is two seconds of work: a tenth of it for source maps, which are left
 * out here, and a sixth for optimising Prisma's WebAssembly, as if the process lived long.
 */
const SHORT_LIFE = ['--liftoff-only', '--no-opt'];
export const ADMIN_TOKEN = 'tga-test-admin-token';
export const MASTER_KEY = Buffer.alloc(32, 7).toString('base64');

export interface GatewayOptions {
  env?: Record<string, string>;
  /** Default: a database of its own, dropped when the gateway stops. */
  database?: TestDatabase;
}

/** A gateway in a process of its own, as an operator would run it, on a real PostgreSQL. */
export class TestGateway {
  readonly url: string;
  /** By which the first owner is set up. */
  readonly setupToken: string;

  private constructor(
    ready: { url: string; setupToken: string | null },
    readonly process: ChildProcess,
    readonly database: TestDatabase,
    /** Everything that it has printed, both streams. */
    readonly output: () => string,
    private readonly cleanUp: () => Promise<void>,
  ) {
    this.url = ready.url;
    this.setupToken = ready.setupToken ?? '';
  }

  readonly admin: AdminClient = new AdminClient(() => this.url, ADMIN_TOKEN);

  static async start({ env = {}, database: given }: GatewayOptions = {}): Promise<TestGateway> {
    const database = given ?? (await createDatabase());
    const dataDir = temporaryFolder();
    const child = spawnGateway({ DATABASE_URL: database.url, DATA_DIR: dataDir, ...env });
    const output = collectOutput(child);
    const [ready] = (await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(() => Promise.reject(new Error(`the gateway did not start:\n${output()}`))),
    ])) as [{ url: string; setupToken: string | null }];
    return new TestGateway(ready, child, database, output, async () => {
      rmSync(dataDir, { recursive: true, force: true });
      if (!given) await database.drop();
    });
  }

  /** The log row of an answer, by its `x-request-id`; waits until it has arrived. */
  row(requestId: string | null): Promise<Request> {
    return eventually(`a row for ${requestId}`, async () => {
      const answer = await this.admin.get(`/requests/${requestId}`);
      return answer.status === 200 ? (answer.body as Request) : undefined;
    });
  }

  /** A sample of its metrics, by name and labels as `/metrics` writes them; NaN when there is none. */
  async metric(sample: string): Promise<number> {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    const line = text.split('\n').find((one) => one.startsWith(`${sample} `));
    return Number(line?.slice(sample.length + 1));
  }

  /** Stops it as an operator would, and leaves nothing behind. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      const exited = once(this.process, 'exit');
      this.process.kill(signal);
      const cut = setTimeout(() => this.process.kill('SIGKILL'), STOP_TIMEOUT_MS);
      await exited;
      clearTimeout(cut);
    }
    await this.cleanUp();
    return this.process.exitCode;
  }
}

/** The gateway's process with nothing in its environment but what a test gives it. */
export function spawnGateway(env: Record<string, string>, entry = MAIN): ChildProcess {
  return spawn(process.execPath, [...SHORT_LIFE, entry], {
    env: {
      PATH: process.env.PATH,
      HOST: '127.0.0.1',
      PORT: '0',
      ADMIN_TOKEN,
      MASTER_KEY,
      DEMO: 'off',
      LOG_LEVEL: 'warn',
      // Tests ask fifty times a second until there is an answer.
      ADMIN_REQUESTS_PER_MINUTE: '1000000',
      // A crowded machine makes a process late that has little to do.
      MAX_EVENT_LOOP_DELAY_MS: '60000',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
}

export function collectOutput(child: ChildProcess): () => string {
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return () => text;
}

/** A folder that the embedded PostgreSQL can reach, too, whoever it runs as. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-test-'));
  chmodSync(folder, 0o755);
  return folder;
}
