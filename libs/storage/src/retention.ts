import { setTimeout as delay } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import type { PoolClient } from 'pg';
import { PrismaService } from '@app/database';
import { Clock } from '@app/runtime';
import { keptSinceMs, PARTITIONED_TABLES, type PartitionedTable, timeOfPartition } from './partitioned-tables.js';
import { StorageSettings } from './storage-settings.js';

/** What waits for a lock has all that comes behind it wait, too: rather often than long. */
const LOCK_MS_MAX = 250;
const LOCK_ATTEMPTS_MAX = 20;
const LOCK_RETRY_MS_MIN = 250;
const LOCK_RETRY_MS_MAX = 5_000;
/** Removing the files of a large day. */
const DROP_MS_MAX = 300_000;
const LOCK_NOT_AVAILABLE = '55P03';

/**
 * Drops what is over, a whole partition at a time: never row by row, and never in the way of who writes. One replica does it, the
 * others pass.
 */
@Injectable()
export class Retention {
  private readonly logger = new Logger(Retention.name);
  private readonly stopping = new AbortController();

  constructor(
    private readonly prisma: PrismaService,
    private readonly settings: StorageSettings,
    private readonly clock: Clock,
  ) {}

  /** What runs ends after the partition it is at. */
  stop(): void {
    this.stopping.abort();
  }

  /** The names of the partitions that it has dropped; what it could not get a lock for is left for the next time. */
  async run(): Promise<string[]> {
    const connection = await this.prisma.pool.connect();
    try {
      const { rows } = await connection.query<{ mine: boolean; now_ms: string }>(
        `SELECT pg_try_advisory_lock(hashtext('tollgate_retention')) AS mine, extract(epoch FROM now()) * 1000 AS now_ms`,
      );
      if (!rows[0]?.mine) return [];
      await connection.query(`SET statement_timeout = ${DROP_MS_MAX}`);
      await connection.query(`SET lock_timeout = ${LOCK_MS_MAX}`);
      // A clock that runs ahead must not cost a day: two clocks have to agree that it is over.
      const nowMs = Math.min(this.clock.now(), Number(rows[0].now_ms));
      const options = await this.settings.read();
      const dropped: string[] = [];
      for (const table of PARTITIONED_TABLES) {
        const sinceMs = keptSinceMs(table, options, nowMs);
        await this.inAFreeMoment(`late rows of ${table.name}`, () =>
          giveLateRowsTheirPartition(connection, table, sinceMs),
        );
        for (const partition of await partitionsBefore(connection, table, sinceMs)) {
          if (this.stopping.signal.aborted) return dropped;
          if (await this.drop(connection, table, partition)) dropped.push(partition.name);
        }
      }
      return dropped;
    } finally {
      // With its lock and its time limits.
      connection.release(true);
    }
  }

  private async drop(connection: PoolClient, table: PartitionedTable, partition: Partition): Promise<boolean> {
    if (partition.is_attached) {
      // Not CONCURRENTLY: PostgreSQL refuses that where there is a default partition.
      // Several statements at once are one transaction.
      const note = table.notedBy === undefined ? '' : `; SELECT ${table.notedBy}('${partition.name}')`;
      const detach = `ALTER TABLE "${table.name}" DETACH PARTITION "${partition.name}"${note}`;
      if (!(await this.inAFreeMoment(partition.name, () => connection.query(detach)))) return false;
    }
    // Nobody else knows it any more, so that nobody waits while its files are removed.
    const startedAtMs = this.clock.monotonic();
    await connection.query(`DROP TABLE "${partition.name}"`);
    const tookMs = Math.round(this.clock.monotonic() - startedAtMs);
    this.logger.log(`dropped ${partition.name} in ${tookMs} ms: it was older than ${table.name} is kept`);
    return true;
  }

  /** False when there was none: what it is about was in use all the time. */
  private async inAFreeMoment(what: string, work: () => Promise<unknown>): Promise<boolean> {
    for (let attempt = 0; attempt < LOCK_ATTEMPTS_MAX; attempt++) {
      try {
        await work();
        return true;
      } catch (error) {
        if ((error as { code?: string }).code !== LOCK_NOT_AVAILABLE) throw error;
        if (this.stopping.signal.aborted) return false;
        await delay(Math.min(LOCK_RETRY_MS_MIN * 2 ** attempt, LOCK_RETRY_MS_MAX), undefined, { ref: false });
      }
    }
    this.logger.warn(`${what} could not be dropped: in use all the time; the next hour tries again`);
    return false;
  }
}

interface Partition {
  readonly name: string;
  /** false: whoever was about to drop it died in between. */
  readonly is_attached: boolean;
}

async function partitionsBefore(
  connection: PoolClient,
  table: PartitionedTable,
  sinceMs: number,
): Promise<Partition[]> {
  const { rows } = await connection.query<Partition>(
    `SELECT relname AS name, inhparent IS NOT NULL AS is_attached
     FROM pg_class LEFT JOIN pg_inherits ON inhrelid = oid
     WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND starts_with(relname, $1) ORDER BY relname`,
    [`${table.name}_`],
  );
  return rows.filter(({ name }) => (timeOfPartition(table, name)?.toMs ?? Infinity) <= sinceMs);
}

/** A row that came when its day had been dropped is in the default partition, which is never dropped: its day comes back for it. */
async function giveLateRowsTheirPartition(
  connection: PoolClient,
  { name, by, unit }: PartitionedTable,
  sinceMs: number,
): Promise<void> {
  await connection.query(
    `SELECT create_partitions($1, $2, $3::text, start::date, 1) FROM (
       SELECT DISTINCT date_trunc($3::text, ${by} AT TIME ZONE 'UTC') AS start FROM ${name}_default WHERE ${by} < $4::timestamptz
     ) late WHERE (start + ('1 ' || $3::text)::interval) AT TIME ZONE 'UTC' <= $4::timestamptz`,
    [name, by, unit, new Date(sinceMs)],
  );
}
