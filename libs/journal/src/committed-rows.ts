import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { Notices } from '@app/database';
import { Clock } from '@app/runtime';
import { FinishedRequests } from './finished-requests.js';
import { idIn } from './journal-format.js';
import type { JournaledRow } from './journal-reader.js';
import { type Cell, type RequestRow, rowOfCells } from './request-row.js';

/** "I watch": what is told on it is the id of a process. */
const WATCHERS = 'tollgate_log_watchers';
/** The ids of rows that a process has committed. */
const ROWS = 'tollgate_log_rows';
/** A notice holds 8 000 bytes. */
const IDS_PER_NOTICE = 180;
/** Who has not said for so long that it watches does not any more. */
const WATCHED_MS = 30_000;
const RENEW_MS = 10_000;

/** Sees the rows of all replicas as they come into the log, each once. */
export interface RowWatcher {
  onRows(rows: readonly RequestRow[]): void;
  /** Some rows were not seen. @param count null: nobody knows how many */
  onRowsMissed(count: number | null): void;
}

/**
 * The rows of the request log at the moment in which they are there, for one who watches; it costs nothing while nobody does.
 * A process knows its own rows. What others commit they tell as long as somebody has said lately that he watches; their rows
 * are then read from the log.
 */
@Injectable()
export class CommittedRows implements OnApplicationShutdown {
  private readonly logger = new Logger(CommittedRows.name);
  private watcher: RowWatcher | null = null;
  /** Until when some other process watches, as far as it is known. */
  private watchedUntilMs = 0;
  private renewal: NodeJS.Timeout | null = null;
  /** Rows of others are read one notice after the other. */
  private reading: Promise<void> = Promise.resolve();

  constructor(
    private readonly notices: Notices,
    private readonly requests: FinishedRequests,
    private readonly clock: Clock,
  ) {
    notices.on(WATCHERS, (processId) => {
      if (processId !== notices.processId) this.watchedUntilMs = clock.monotonic() + WATCHED_MS;
    });
    notices.on(ROWS, (text) => this.onNotice(text));
    notices.onLost(() => {
      // Whoever watches may have said so while this process was not listening.
      this.watchedUntilMs = clock.monotonic() + WATCHED_MS;
      this.watcher?.onRowsMissed(null);
    });
  }

  /** Resolves when the other replicas have been told that there is one who wants their rows. */
  async watch(watcher: RowWatcher): Promise<void> {
    this.watcher = watcher;
    this.renewal ??= setInterval(() => void this.sayWatching(), RENEW_MS).unref();
    await this.sayWatching();
  }

  unwatch(): void {
    this.watcher = null;
    if (this.renewal) clearInterval(this.renewal);
    this.renewal = null;
  }

  onApplicationShutdown(): void {
    this.unwatch();
  }

  /** Takes rows that have been committed. */
  note(rows: readonly JournaledRow[]): void {
    this.watcher?.onRows(rows.map(({ text }) => rowOfCells(JSON.parse(text) as Cell[])));
    if (this.clock.monotonic() > this.watchedUntilMs) return;
    for (let index = 0; index < rows.length; index += IDS_PER_NOTICE) {
      const ids = rows.slice(index, index + IDS_PER_NOTICE).map(({ text }) => idIn(text));
      void this.tell(ROWS, [this.notices.processId, ...ids].join(' '));
    }
  }

  private onNotice(text: string): void {
    const [processId, ...ids] = text.split(' ');
    if (this.watcher === null || processId === this.notices.processId) return;
    this.reading = this.reading.then(() => this.read(ids));
  }

  private async read(ids: readonly string[]): Promise<void> {
    try {
      const rows = await this.requests.byIds(ids);
      this.watcher?.onRows(rows);
    } catch (error) {
      this.logger.warn(`rows of another replica could not be read: ${String(error)}`);
      this.watcher?.onRowsMissed(ids.length);
    }
  }

  private sayWatching(): Promise<void> {
    return this.tell(WATCHERS, this.notices.processId);
  }

  /** Never rejects: a database that is away tells nobody, and nobody's rows come into it. */
  private async tell(channel: string, text: string): Promise<void> {
    try {
      await this.notices.tell(channel, text);
    } catch (error) {
      this.logger.warn(`other replicas could not be told: ${String(error)}`);
    }
  }
}
