import { Injectable } from '@nestjs/common';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { PrismaClient } from './generated/client.js';
import { connectionsOf, type PoolConnections } from './pool-connections.js';

/** A Prisma client inside a transaction. */
export type Transaction = Parameters<Parameters<PrismaClient['$transaction']>[0]>[0];

const CONNECTIONS_MAX = 10;

/**
 * The one way to the database. Never waits for ever: neither for a connection nor for a statement. Whoever starts the
 * process disconnects it last, when all that still writes has been shut down.
 */
@Injectable()
export class PrismaService extends PrismaClient {
  /** The connections themselves, for statements over many rows, whose cost is felt: the log's batch insert, the response ids. */
  readonly pool: pg.Pool;

  constructor(connectionString: string) {
    const pool = new pg.Pool({
      connectionString,
      max: CONNECTIONS_MAX,
      connectionTimeoutMillis: 2_000,
      statement_timeout: 10_000,
      idle_in_transaction_session_timeout: 10_000,
      keepAlive: true,
      application_name: 'tollgate',
    });
    // Who holds a connection that breaks is told by its statement; without a listener the process would end.
    pool.on('connect', (client) => client.on('error', () => undefined));
    super({ adapter: new PrismaPg(pool, { disposeExternalPool: true }) });
    this.pool = pool;
  }

  /** What its connections do, for metrics. */
  get connections(): PoolConnections {
    return connectionsOf(this.pool);
  }
}
