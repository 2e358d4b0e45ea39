import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import pg from 'pg';
import type { Prisma } from './generated/client.js';
import { connectionsOf, type PoolConnections } from './pool-connections.js';

const CONNECTIONS_MAX = 4;
const CONNECTION_WAIT_MS = 3_000;
const STATEMENT_MS_MAX = 5_000;
/** A frozen server does not keep to its own limit. */
const ANSWER_MS_MAX = STATEMENT_MS_MAX + 2_000;
const SQLSTATE_QUERY_CANCELED = '57014';

/** A question that was given up. `slow`: it took too long; `busy`: others left it no room. */
export class QuestionGivenUp extends Error {
  constructor(readonly reason: 'slow' | 'busy') {
    super(`the question was given up: ${reason}`);
  }
}

export interface QuestionOptions {
  /** For a look-up by an index whose worth the planner cannot see. */
  readonly avoidsTableScans?: boolean;
}

/**
 * The way for questions whose cost depends on who asks: over few connections of their own, so that nothing that has to be
 * written waits for them; read-only; each ends after five seconds. Whole numbers of 64 bits are read as bigint.
 */
@Injectable()
export class QuestionPool implements OnApplicationShutdown {
  private readonly pool: pg.Pool;
  private running = 0;

  constructor(connectionString: string) {
    this.pool = new pg.Pool({
      connectionString,
      max: CONNECTIONS_MAX,
      connectionTimeoutMillis: CONNECTION_WAIT_MS,
      query_timeout: ANSWER_MS_MAX,
      idle_in_transaction_session_timeout: 10_000,
      keepAlive: true,
      application_name: 'tollgate questions',
      types: { getTypeParser: parserOf },
    });
    // Who holds a connection that breaks is told by its statement; without a listener the process would end.
    this.pool.on('connect', (client) => client.on('error', () => undefined));
    // An idle connection that breaks is replaced when it is needed.
    this.pool.on('error', () => undefined);
  }

  /** What its connections do, for metrics. */
  get connections(): PoolConnections {
    return connectionsOf(this.pool);
  }

  /** @throws QuestionGivenUp when it takes too long, or cannot begin */
  async ask<Row extends object>(
    question: Prisma.Sql,
    { avoidsTableScans = false }: QuestionOptions = {},
  ): Promise<Row[]> {
    const client = await this.connect();
    this.running++;
    let failure: Error | undefined;
    try {
      await client.query(`BEGIN READ ONLY; SET LOCAL statement_timeout = ${STATEMENT_MS_MAX}; SET LOCAL jit = off;
        SET LOCAL enable_seqscan = ${avoidsTableScans ? 'off' : 'on'}`);
      const { rows } = await client.query<Row>({ text: question.text, values: question.values as unknown[] });
      await client.query('COMMIT');
      return rows;
    } catch (error) {
      failure = error as Error;
      throw (error as { code?: unknown }).code === SQLSTATE_QUERY_CANCELED ? new QuestionGivenUp('slow') : error;
    } finally {
      this.running--;
      // What is still in a transaction, or still at work, is not used again.
      client.release(failure);
    }
  }

  async onApplicationShutdown(): Promise<void> {
    await this.pool.end();
  }

  private async connect(): Promise<pg.PoolClient> {
    try {
      return await this.pool.connect();
    } catch (error) {
      throw this.running >= CONNECTIONS_MAX ? new QuestionGivenUp('busy') : error;
    }
  }
}

const parserOf = ((oid: number, format?: 'text') =>
  oid === pg.types.builtins.INT8 ? BigInt : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser;
