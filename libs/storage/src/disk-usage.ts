import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Prisma, QuestionPool } from '@app/database';
import { Clock } from '@app/runtime';
import { daysUntilBudget, type PartitionUsage, type TableUsage } from './disk-forecast.js';
import { PARTITIONED_TABLES, type PartitionedTable, timeOfPartition } from './partitioned-tables.js';
import { StorageSettings } from './storage-settings.js';

const DAY_MS = 86_400_000;
const MEASURE_EVERY_MS = 3_600_000;
/** A week has all that makes days differ. */
const DAYS_LOOKED_AT = 7;
const MONTHS_LOOKED_AT = 1;
const MONTH_DAYS_MAX = 31;

/** What the database takes. */
export interface DatabaseUsage {
  readonly bytes: number;
  /** Those that grow. */
  readonly tables: readonly TableUsage[];
}

interface PartitionRow {
  table: string;
  partition: string;
  bytes: bigint | null;
}

/** Measures what the database takes, when asked and every hour, and how long it goes well. */
@Injectable()
export class DiskUsage implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(DiskUsage.name);
  private timer: NodeJS.Timeout | null = null;
  private isStopped = false;

  /** As it was measured last; null: not yet. */
  last: DatabaseUsage | null = null;

  constructor(
    private readonly questions: QuestionPool,
    private readonly settings: StorageSettings,
    private readonly clock: Clock,
  ) {}

  onApplicationBootstrap(): void {
    void this.measureUnasked();
    this.timer = setInterval(() => void this.measureUnasked(), MEASURE_EVERY_MS).unref();
  }

  onApplicationShutdown(): void {
    this.isStopped = true;
    if (this.timer) clearInterval(this.timer);
  }

  /** @throws QuestionGivenUp when it takes too long */
  async measure(): Promise<DatabaseUsage> {
    const partitions = await this.questions.ask<PartitionRow>(Prisma.sql`
      SELECT parent.relname AS table, child.relname AS partition, pg_total_relation_size(child.oid) AS bytes
      FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid JOIN pg_class parent ON parent.oid = inhparent
      WHERE child.relkind = 'r' AND parent.relnamespace = current_schema()::regnamespace
        AND parent.relname = ANY (${PARTITIONED_TABLES.map(({ name }) => name)})`);
    const tables: TableUsage[] = [];
    for (const table of PARTITIONED_TABLES) {
      tables.push(
        await this.ofTable(
          table,
          partitions.filter((row) => row.table === table.name),
        ),
      );
    }
    tables.push(await this.ofDays());
    const [whole] = await this.questions.ask<{ bytes: bigint }>(
      Prisma.sql`SELECT pg_database_size(current_database()) AS bytes`,
    );
    this.last = { bytes: Number(whole?.bytes ?? 0), tables };
    return this.last;
  }

  /** Until the disk budget is reached; `otherBytes` is what it has to pay for besides the database. */
  daysUntilBudget({ bytes, tables }: DatabaseUsage, otherBytes: number): number | null {
    const { diskBudgetBytes } = this.settings.current;
    if (diskBudgetBytes === null) return null;
    return daysUntilBudget(bytes + otherBytes, tables, diskBudgetBytes, this.clock.now());
  }

  private async measureUnasked(): Promise<void> {
    try {
      await this.measure();
    } catch (error) {
      // Whoever ends the gateway takes its connections away.
      if (this.isStopped) return;
      this.logger.warn(`what the database takes was not measured: ${String(error)}`); // the next hour tries again
    }
  }

  private async ofTable(table: PartitionedTable, rows: readonly PartitionRow[]): Promise<TableUsage> {
    const nowMs = this.clock.now();
    const sinceMs = lookedAtSinceMs(table, nowMs);
    const oldestMs = (await this.oldestMs(table, sinceMs)) ?? nowMs;
    let recentBytes = 0;
    const partitions: PartitionUsage[] = [];
    for (const { partition, bytes } of rows) {
      const time = timeOfPartition(table, partition);
      if (time === null) continue;
      partitions.push({ toMs: time.toMs, bytes: Number(bytes ?? 0) });
      if (time.toMs > oldestMs && time.fromMs <= nowMs) recentBytes += Number(bytes ?? 0);
    }
    return {
      name: table.name,
      bytes: rows.reduce((sum, { bytes }) => sum + Number(bytes ?? 0), 0),
      bytesPerDay: perDay(recentBytes, nowMs - oldestMs),
      keptDays: table.keptDays(this.settings.current),
      partitionDays: table.unit === 'day' ? 1 : MONTH_DAYS_MAX,
      partitions,
    };
  }

  /** Totals by the day, which are kept for ever. */
  private async ofDays(): Promise<TableUsage> {
    const table = { name: 'usage_days', by: 'starts_at' };
    const nowMs = this.clock.now();
    const [size] = await this.questions.ask<{ bytes: bigint }>(
      Prisma.sql`SELECT pg_total_relation_size('usage_days') AS bytes`,
    );
    const bytes = Number(size?.bytes ?? 0);
    const oldestMs = await this.oldestMs(table, 0);
    return {
      name: table.name,
      bytes,
      bytesPerDay: oldestMs === null ? 0 : perDay(bytes, nowMs - oldestMs),
      keptDays: null,
      partitionDays: 0,
      partitions: [],
    };
  }

  private async oldestMs({ name, by }: Pick<PartitionedTable, 'name' | 'by'>, sinceMs: number): Promise<number | null> {
    const [column, from] = [Prisma.raw(by), Prisma.raw(name)];
    const [row] = await this.questions.ask<{ oldest: Date | null }>(
      Prisma.sql`SELECT min(${column}) AS oldest FROM ${from} WHERE ${column} >= ${new Date(sinceMs)}`,
    );
    return row?.oldest?.getTime() ?? null;
  }
}

/** Growth is that of the last whole partitions, and of the one that is being filled. */
function lookedAtSinceMs({ unit }: PartitionedTable, nowMs: number): number {
  const now = new Date(nowMs);
  const [year, month] = [now.getUTCFullYear(), now.getUTCMonth()];
  if (unit === 'month') return Date.UTC(year, month - MONTHS_LOOKED_AT, 1);
  return Date.UTC(year, month, now.getUTCDate() - DAYS_LOOKED_AT);
}

function perDay(bytes: number, durationMs: number): number {
  return Math.round(bytes / Math.max(1, durationMs / DAY_MS));
}
