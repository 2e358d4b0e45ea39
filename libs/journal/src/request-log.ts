import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { toPublicId } from '@app/contract';
import { PrismaService } from '@app/database';
import { ledgerCharges } from '@app/ledger';
import { BatchWriter, Clock, timeOfId } from '@app/runtime';
import { ERASED_ROW, erasedBefore } from './erased-columns.js';
import { CommittedRows } from './committed-rows.js';
import { idIn } from './journal-format.js';
import type { JournaledRow } from './journal-reader.js';
import { RequestJournal } from './request-journal.js';
import type { RequestRecord } from './request-record.js';
import { type Cell, ROW_COLUMNS, toBareCells } from './request-row.js';
import { insertedTotals } from './usage-totals.js';

const ROWS_PER_BATCH_MAX = 1_000;
const DELAY_MS = 100;
/** About 1 KB each: what an outage of the database may cost in memory. Further rows wait in the journal. */
const MEMORY_ROWS_MAX = 5_000;
/** Rows are read back as long as fewer than these wait in memory. */
const READ_BACK_BELOW = 3 * ROWS_PER_BATCH_MAX;
const TICK_MS = 1_000;
const SHUTDOWN_FLUSH_MS = 10_000;
/** A statement that a frozen server does not answer. What it does later is done twice, which is as good as once. */
const INSERT_TIMEOUT_MS = 15_000;

const COLUMN_LIST = Object.keys(ROW_COLUMNS)
  .map((name) => `"${name}"`)
  .join(', ');
/** Rows travel as arrays: half the bytes of objects, and half the time that PostgreSQL takes to read them. */
const VALUE_LIST = Object.entries(ROW_COLUMNS)
  .map(([name, type], index) => `(rows.value->>${index})::${type} AS "${name}"`)
  .join(', ');

/**
 * One statement, hence one transaction: a row that was there before counts neither as a row, nor in the totals, nor in the ledger.
 * What was to be erased before it came is never stored.
 */
const INSERT = `
WITH arriving AS MATERIALIZED (
  SELECT ${VALUE_LIST} FROM jsonb_array_elements($1::jsonb) AS rows
), erased AS MATERIALIZED (${erasedBefore('arriving')}
), inserted AS (
  INSERT INTO request_log (${COLUMN_LIST})
  SELECT ${COLUMN_LIST} FROM arriving WHERE id NOT IN (SELECT id FROM erased)
  UNION ALL
  SELECT ${ERASED_ROW} FROM arriving WHERE id IN (SELECT id FROM erased)
  ON CONFLICT DO NOTHING
  RETURNING started_at, key_id, group_id, model, upstream_id, outcome, error_code, client, service_tier,
    input_tokens, cached_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_nano_usd
), ${insertedTotals},
${ledgerCharges('usage', 'inserted', 'cost_nano_usd')}
SELECT count(*)::int AS count FROM inserted`;

/**
 * The request log's write side: closed records go into PostgreSQL in batches, each exactly once, off the hot path. Until they
 * are there the journal has them, and while PostgreSQL is away most of them are nowhere else.
 */
@Injectable()
export class RequestLog implements OnApplicationShutdown {
  private readonly logger = new Logger(RequestLog.name);
  private readonly writer = new BatchWriter<JournaledRow>({
    write: (rows) => this.write(rows),
    rowsPerBatchMax: ROWS_PER_BATCH_MAX,
    delayMs: DELAY_MS,
    // Whoever adds rows bounds them.
    pendingMax: Infinity,
    onFailure: (error) => this.logger.warn(`${this.rowsPending} log rows wait for PostgreSQL: ${firstLine(error)}`),
    onDropped: () => undefined,
  });
  private timer: NodeJS.Timeout | null = null;

  /** Since start, for metrics. */
  rowsWritten = 0;
  private rowsLost = 0;

  constructor(
    private readonly prisma: PrismaService,
    readonly journal: RequestJournal,
    private readonly clock: Clock,
    private readonly committed: CommittedRows,
  ) {}

  get rowsPending(): number {
    return this.writer.pendingRows + this.journal.rowsUnread;
  }

  get rowsDropped(): number {
    return this.rowsLost + this.journal.rowsLost;
  }

  /** Time since the start of the request whose row waits longest. */
  get oldestPendingAgeMs(): number {
    const { oldest } = this.writer;
    return oldest ? this.clock.now() - timeOfId(idIn(oldest.text)) : 0;
  }

  /**
   * Opens the journal, and puts into PostgreSQL what a process before this one has left there. Resolves when that is done, or
   * goes on in the background when it takes longer than `timeoutMs`.
   *
   * @throws Error when the journal's folder cannot be made or read
   */
  async recover(timeoutMs: number): Promise<void> {
    this.journal.open();
    this.timer = setInterval(() => this.tick(), TICK_MS).unref();
    this.readBack();
    const rows = this.rowsWritten;
    await this.writer.flush(timeoutMs);
    const { crashRows } = this.journal;
    if (this.rowsWritten === rows) return;
    this.logger.log(
      `${this.rowsWritten - rows} rows came from the journal, ${crashRows} of them of requests cut by a crash`,
    );
  }

  /** Takes a closed record. */
  add(record: RequestRecord): void {
    const isMemoryFull = this.writer.pendingRows >= MEMORY_ROWS_MAX;
    if (isMemoryFull) this.journal.fallBehind();
    const row = this.journal.close(record);
    if (row === null) return;
    if (!isMemoryFull || row.segment !== null) return this.writer.add(row);
    if (this.rowsLost++ % MEMORY_ROWS_MAX === 0) {
      this.logger.error('log rows are lost: there is room for them neither in PostgreSQL nor in the journal');
    }
  }

  async onApplicationShutdown(): Promise<void> {
    await this.writer.flush(SHUTDOWN_FLUSH_MS);
    if (this.timer) clearInterval(this.timer);
    if (this.rowsPending > 0) this.logger.warn(`${this.rowsPending} log rows stay in the journal until the next start`);
    this.journal.stop();
  }

  private tick(): void {
    this.journal.tick();
    this.readBack();
  }

  /** Takes rows that are only in the journal, as long as there are few in memory. */
  private readBack(): void {
    while (this.journal.isBehind && this.writer.pendingRows < READ_BACK_BELOW) {
      for (const row of this.journal.read(ROWS_PER_BATCH_MAX)) this.writer.add(row);
    }
  }

  private async write(rows: readonly JournaledRow[]): Promise<void> {
    await this.insertRows(rows);
    this.journal.done(rows);
    this.committed.note(rows);
    this.readBack();
  }

  private async insertRows(rows: readonly JournaledRow[]): Promise<void> {
    try {
      await this.insert(rows.map(({ text }) => text));
    } catch (error) {
      if (!isRefusedData(error)) throw error;
      // One row that PostgreSQL refuses must not take the others with it.
      const [only] = rows;
      if (rows.length === 1 && only) return this.insertBare(only, error);
      const middle = Math.ceil(rows.length / 2);
      await this.insertRows(rows.slice(0, middle));
      await this.insertRows(rows.slice(middle));
      return;
    }
    this.rowsWritten += rows.length;
  }

  /** A refused row is logged without what came from outside: that there was a request is never lost. */
  private async insertBare({ text }: JournaledRow, refusal: unknown): Promise<void> {
    this.logger.error(`log row ${toPublicId('request', idIn(text))} was refused: ${firstLine(refusal)}`);
    try {
      await this.insert([JSON.stringify(toBareCells(JSON.parse(text) as Cell[]))]);
      this.rowsWritten++;
    } catch (error) {
      if (!isRefusedData(error)) throw error;
      this.rowsLost++;
      this.logger.error(`log row ${toPublicId('request', idIn(text))} was refused bare: ${firstLine(error)}`);
    }
  }

  /** @param rows each the JSON of its cells */
  private async insert(rows: readonly string[]): Promise<void> {
    const values = [`[${rows.join(',')}]`];
    const query = { name: 'insert_request_log', text: INSERT, values, query_timeout: INSERT_TIMEOUT_MS };
    await this.prisma.pool.query(query);
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
