import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { PrismaService } from '@app/database';
import { BatchWriter } from '@app/runtime';
import type { RequestRecord } from './request-record.js';
import { ROW_COLUMNS, toBareCells, toCells } from './request-row.js';

const ROWS_PER_BATCH_MAX = 500;
const DELAY_MS = 100;
/** About 1.5 KB each: what an outage of the database may cost in memory. */
const PENDING_ROWS_MAX = 100_000;
const SHUTDOWN_FLUSH_MS = 10_000;

const COLUMN_LIST = Object.keys(ROW_COLUMNS)
  .map((name) => `"${name}"`)
  .join(', ');
/** Rows travel as arrays: half the bytes of objects, and half the time that PostgreSQL takes to read them. */
const VALUE_LIST = Object.values(ROW_COLUMNS)
  .map((type, index) => `(rows.value->>${index})::${type}`)
  .join(', ');

/** Adds the rows that were really inserted to the totals of their hour or day; rows in key order, so that replicas never deadlock. */
const totalsInto = (table: string, unit: string) => `
  INSERT INTO ${table} AS totals
  SELECT date_trunc('${unit}', started_at, 'UTC') AS starts_at,
    coalesce(key_id, '00000000-0000-0000-0000-000000000000'), coalesce(group_id, '00000000-0000-0000-0000-000000000000'),
    coalesce(model, ''), coalesce(upstream_id, '00000000-0000-0000-0000-000000000000'),
    count(*), count(*) FILTER (WHERE outcome NOT IN ('ok', 'client_left')),
    coalesce(sum(input_tokens), 0), coalesce(sum(cached_tokens), 0), coalesce(sum(cache_write_tokens), 0),
    coalesce(sum(output_tokens), 0), coalesce(sum(reasoning_tokens), 0), coalesce(sum(cost_nano_usd), 0)
  FROM inserted GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
  ON CONFLICT (starts_at, key_id, group_id, model, upstream_id) DO UPDATE SET
    requests = totals.requests + excluded.requests, errors = totals.errors + excluded.errors,
    input_tokens = totals.input_tokens + excluded.input_tokens,
    cached_tokens = totals.cached_tokens + excluded.cached_tokens,
    cache_write_tokens = totals.cache_write_tokens + excluded.cache_write_tokens,
    output_tokens = totals.output_tokens + excluded.output_tokens,
    reasoning_tokens = totals.reasoning_tokens + excluded.reasoning_tokens,
    cost_nano_usd = totals.cost_nano_usd + excluded.cost_nano_usd`;

/** One statement, hence one transaction: a row that was there before counts neither as a row nor in the totals. */
const INSERT = `
WITH inserted AS (
  INSERT INTO request_log (${COLUMN_LIST})
  SELECT ${VALUE_LIST} FROM jsonb_array_elements($1::jsonb) AS rows
  ON CONFLICT DO NOTHING
  RETURNING started_at, key_id, group_id, model, upstream_id, outcome,
    input_tokens, cached_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_nano_usd
), hours AS (${totalsInto('usage_hours', 'hour')}), days AS (${totalsInto('usage_days', 'day')})
SELECT count(*)::int AS count FROM inserted`;

/** The request log's write side: closed records go into PostgreSQL in batches, each exactly once, off the hot path. */
@Injectable()
export class RequestLog implements OnApplicationShutdown {
  private readonly logger = new Logger(RequestLog.name);
  private readonly writer = new BatchWriter<RequestRecord>({
    write: (records) => this.write(records),
    rowsPerBatchMax: ROWS_PER_BATCH_MAX,
    delayMs: DELAY_MS,
    pendingMax: PENDING_ROWS_MAX,
    onFailure: (error, pending) => this.logger.warn(`${pending} log rows wait for PostgreSQL: ${firstLine(error)}`),
    onDropped: (rows) => {
      this.rowsDropped += rows;
      this.logger.error(`${rows} log rows were dropped: PostgreSQL is away for too long`);
    },
  });

  /** Since start, for metrics. */
  rowsWritten = 0;
  rowsDropped = 0;

  constructor(private readonly prisma: PrismaService) {}

  get rowsPending(): number {
    return this.writer.pendingRows;
  }

  /** Takes a closed record. */
  add(record: RequestRecord): void {
    this.writer.add(record);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.writer.flush(SHUTDOWN_FLUSH_MS);
    if (this.rowsPending > 0) this.logger.error(`${this.rowsPending} log rows could not be written before the end`);
  }

  private async write(records: readonly RequestRecord[]): Promise<void> {
    try {
      await this.insert(records.map(toCells));
    } catch (error) {
      if (!isRefusedData(error)) throw error;
      // One row that PostgreSQL refuses must not take the others with it.
      const [only] = records;
      if (records.length === 1 && only) return this.writeBare(only, error);
      const middle = Math.ceil(records.length / 2);
      await this.write(records.slice(0, middle));
      await this.write(records.slice(middle));
      return;
    }
    this.rowsWritten += records.length;
  }

  /** A refused row is logged without what came from outside: that there was a request is never lost. */
  private async writeBare(record: RequestRecord, refusal: unknown): Promise<void> {
    this.logger.error(`log row ${record.publicId} was refused: ${firstLine(refusal)}`);
    try {
      await this.insert([toBareCells(record)]);
      this.rowsWritten++;
    } catch (error) {
      if (!isRefusedData(error)) throw error;
      this.rowsDropped++;
      this.logger.error(`log row ${record.publicId} was refused bare: ${firstLine(error)}`);
    }
  }

  private async insert(rows: readonly unknown[][]): Promise<void> {
    await this.prisma.pool.query({ name: 'insert_request_log', text: INSERT, values: [JSON.stringify(rows)] });
  }
}

/** SQLSTATE classes 22 (data exception) and 23 (integrity): sending the same rows again cannot help. */
function isRefusedData(error: unknown): boolean {
  return /^2[23]/.test(String((error as { code?: unknown } | null)?.code ?? ''));
}

function firstLine(error: unknown): string {
  const lines = (error instanceof Error ? error.message : String(error)).trim().split('\n');
  return lines.at(-1) ?? '';
}
