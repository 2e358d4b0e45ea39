import { randomUUID } from 'node:crypto';
import { Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import pg from 'pg';
import type { PrismaService } from './prisma.service.js';

const RECONNECT_MS = 2_000;
const QUERY_TIMEOUT_MS = 5_000;
const APPLICATION_NAME = 'tollgate notices';

/**
 * What the processes on one database tell each other (PostgreSQL's NOTIFY), at most 8 000 bytes at once. Whoever tells hears it,
 * too. A notice can get lost with the connection, of which `onLost` tells: whoever must not miss anything looks for himself then.
 */
export class Notices implements OnApplicationBootstrap, OnApplicationShutdown {
  /** Tells the notices of this process from those of others. */
  readonly processId = randomUUID();
  private readonly logger = new Logger(Notices.name);
  private readonly listeners = new Map<string, (text: string) => void>();
  private readonly lostListeners: (() => void)[] = [];
  private client: pg.Client | null = null;
  private connecting: Promise<void> | null = null;
  private timer: NodeJS.Timeout | null = null;
  private isClosed = false;
  private isFailing = false;

  constructor(
    private readonly prisma: PrismaService,
    private readonly connectionString: string,
  ) {}

  /** Registers the one listener of a channel; before the process has started. */
  on(channel: string, listener: (text: string) => void): void {
    this.listeners.set(channel, listener);
  }

  /** Called at the start, and whenever notices may have been missed until now. */
  onLost(listener: () => void): void {
    this.lostListeners.push(listener);
  }

  /** Resolves when everybody who listens is about to hear it. */
  async tell(channel: string, text: string): Promise<void> {
    await this.ask('SELECT pg_notify($1, $2)', [channel, text]);
  }

  /** How many processes on this database listen, this one included. */
  async countListeners(): Promise<number> {
    const { rows } = await this.ask<{ count: number }>(
      'SELECT count(*)::int AS count FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1',
      [APPLICATION_NAME],
    );
    return rows[0]?.count ?? 0;
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.connect();
    this.timer = setInterval(() => void this.reconnect(), RECONNECT_MS).unref();
  }

  async onApplicationShutdown(): Promise<void> {
    this.isClosed = true;
    if (this.timer) clearInterval(this.timer);
    await this.connecting?.catch(() => undefined);
    await this.client?.end().catch(() => undefined);
  }

  private ask<Row extends pg.QueryResultRow>(text: string, values: string[]): Promise<pg.QueryResult<Row>> {
    const query = { text, values, query_timeout: QUERY_TIMEOUT_MS };
    return this.prisma.pool.query<Row>(query);
  }

  private hear(channel: string, text: string): void {
    try {
      this.listeners.get(channel)?.(text);
    } catch (error) {
      // A replica of another release may speak in another way.
      this.logger.warn(`a notice on ${channel} was not understood: ${String(error)}`);
    }
  }

  private async reconnect(): Promise<void> {
    if (this.client || this.connecting) return;
    try {
      await (this.connecting = this.connect().finally(() => (this.connecting = null)));
      this.isFailing = false;
    } catch (error) {
      // Said once, not every two seconds.
      if (!this.isFailing && !this.isClosed) this.logger.warn(`other replicas are not heard: ${String(error)}`);
      this.isFailing = true;
    }
  }

  private async connect(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.connectionString,
      connectionTimeoutMillis: 2_000,
      keepAlive: true,
      application_name: APPLICATION_NAME,
    });
    const lost = () => {
      if (this.client === client) this.client = null;
    };
    client.on('error', lost).on('end', lost);
    client.on('notification', ({ channel, payload }) => this.hear(channel, payload ?? ''));
    try {
      await client.connect();
      for (const channel of this.listeners.keys()) await client.query(`LISTEN ${channel}`);
    } catch (error) {
      void client.end().catch(() => undefined);
      throw error;
    }
    this.client = client;
    for (const listener of this.lostListeners) listener();
  }
}
