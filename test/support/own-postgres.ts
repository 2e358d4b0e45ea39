import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../libs/database/src/embedded-postgres.js';
import { Cable } from './cable.js';
import { temporaryFolder } from './gateway.js';

/** How a PostgreSQL can be away. */
export type Outage = 'stopped' | 'frozen' | 'read_only';

/** A PostgreSQL that a test may ill-treat, always at the same address. */
export class OwnPostgres {
  private constructor(
    private readonly folder: string,
    private readonly isThrowAway: boolean,
    private server: EmbeddedPostgres,
    private readonly cable: Cable,
  ) {}

  /** @param isThrowAway faster, but what it has committed may be lost when it crashes */
  static async start(isThrowAway = true): Promise<OwnPostgres> {
    const folder = temporaryFolder();
    const server = await startEmbeddedPostgres({ dataDir: folder, database: 'tollgate', isThrowAway });
    return new OwnPostgres(folder, isThrowAway, server, await Cable.to('127.0.0.1', Number(new URL(server.url).port)));
  }

  /** Where it is, whatever becomes of it. */
  get url(): string {
    const url = new URL(this.server.url);
    url.port = String(this.cable.port);
    return url.href;
  }

  async query<Row extends object>(sql: string): Promise<Row[]> {
    const client = new pg.Client({ connectionString: this.server.url });
    await client.connect();
    try {
      await client.query('SET default_transaction_read_only = off');
      return (await client.query<Row>(sql)).rows;
    } finally {
      await client.end();
    }
  }

  async begin(outage: Outage): Promise<void> {
    if (outage === 'stopped') await this.server.stop();
    else if (outage === 'frozen') this.signalAll('SIGSTOP');
    else await this.setReadOnly('on');
  }

  async end(outage: Outage): Promise<void> {
    if (outage === 'stopped') await this.restart();
    else if (outage === 'frozen') this.signalAll('SIGCONT');
    else await this.setReadOnly('off');
  }

  /** Cuts every session in the middle of what it does, as a crash of the server would. */
  async crash(): Promise<void> {
    process.kill(this.pid, 'SIGQUIT');
    await this.server.stop();
    await this.restart();
  }

  async drop(): Promise<void> {
    this.cable.close();
    await this.server.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async restart(): Promise<void> {
    const { folder: dataDir, isThrowAway } = this;
    this.server = await startEmbeddedPostgres({ dataDir, database: 'tollgate', isThrowAway });
    this.cable.moveTo('127.0.0.1', Number(new URL(this.server.url).port));
  }

  private async setReadOnly(value: 'on' | 'off'): Promise<void> {
    await this.query(`ALTER SYSTEM SET default_transaction_read_only = ${value}`);
    await this.query('SELECT pg_reload_conf()');
  }

  private get pid(): number {
    return Number.parseInt(readFileSync(join(this.folder, 'pg18', 'postmaster.pid'), 'utf8'), 10);
  }

  /** The server's sessions are processes of their own. */
  private signalAll(signal: NodeJS.Signals): void {
    const { pid } = this;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
    for (const each of [pid, ...children]) process.kill(each, signal);
  }
}
