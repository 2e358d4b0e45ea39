import { setTimeout as delay } from 'node:timers/promises';

/** How a batch writer writes, and how much it may hold. */
export interface BatchWriterOptions<T> {
  /** Writes the rows or throws; the same rows come again after a failure, so it must be idempotent. */
  write(rows: readonly T[]): Promise<void>;
  rowsPerBatchMax: number;
  /** How long a row waits for others to share its batch. */
  delayMs: number;
  /** Rows held while writing fails; beyond it the oldest are let go, so that memory stays bounded. */
  pendingMax: number;
  /** Told of each failed write and of rows that were let go. */
  onFailure(error: unknown, pendingRows: number): void;
  onDropped(rows: number): void;
}

const RETRY_DELAY_MS_MAX = 5_000;

/** Collects rows and writes them in batches, one batch at a time, in order, with retries, off the caller's path. */
export class BatchWriter<T> {
  private pending: T[] = [];
  private timer: NodeJS.Timeout | null = null;
  private writing: Promise<void> | null = null;
  private failuresInARow = 0;

  constructor(private readonly options: BatchWriterOptions<T>) {}

  /** Rows that are not written yet. */
  get pendingRows(): number {
    return this.pending.length;
  }

  /** The row that waits longest. */
  get oldest(): T | undefined {
    return this.pending[0];
  }

  add(row: T): void {
    this.pending.push(row);
    const { pendingMax, rowsPerBatchMax } = this.options;
    if (this.pending.length > pendingMax) {
      // A tenth at once, not one by one: shifting an array of this size for every row would be felt.
      const dropped = this.pending.splice(0, Math.max(1, Math.floor(pendingMax / 10))).length;
      this.options.onDropped(dropped);
    }
    if (this.writing) return;
    if (this.pending.length >= rowsPerBatchMax && this.failuresInARow === 0) void this.writeAll();
    else this.writeLater();
  }

  /** Writes what is pending now. Resolves when it is written, or when `timeoutMs` has passed. */
  async flush(timeoutMs: number): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const leftMs = deadline - performance.now();
      if (this.pending.length === 0 || leftMs <= 0) return;
      await settledWithin(this.writing ?? this.writeAll(), leftMs);
      if (this.failuresInARow > 0) await delay(Math.min(this.retryDelayMs(), leftMs));
    }
  }

  private writeAll(): Promise<void> {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    this.writing ??= this.writeBatches().finally(() => {
      this.writing = null;
      if (this.pending.length > 0) this.writeLater();
    });
    return this.writing;
  }

  private async writeBatches(): Promise<void> {
    do {
      const batch = this.pending.slice(0, this.options.rowsPerBatchMax);
      try {
        await this.options.write(batch);
        // Rows may have been let go at the front meanwhile: take away exactly those that were written.
        const written = new Set(batch);
        this.pending = this.pending.filter((row) => !written.has(row));
        this.failuresInARow = 0;
      } catch (error) {
        this.failuresInARow++;
        this.options.onFailure(error, this.pending.length);
        return;
      }
    } while (this.pending.length >= this.options.rowsPerBatchMax);
  }

  /** The timer keeps no process alive: whoever ends one flushes first. */
  private writeLater(): void {
    const delayMs = this.failuresInARow === 0 ? this.options.delayMs : this.retryDelayMs();
    this.timer ??= setTimeout(() => void this.writeAll(), delayMs).unref();
  }

  private retryDelayMs(): number {
    return Math.min(RETRY_DELAY_MS_MAX, 100 * 2 ** Math.min(this.failuresInARow, 10));
  }
}

/** Resolves with the promise, or when the time is over. */
async function settledWithin(promise: Promise<void>, ms: number): Promise<void> {
  const over = new AbortController();
  await Promise.race([promise, delay(ms, undefined, { signal: over.signal }).catch(() => undefined)]);
  over.abort();
}
