import type { ServerResponse } from 'node:http';
import { setImmediate as othersTurn } from 'node:timers/promises';
import { type BeforeApplicationShutdown, Injectable, Logger, type MessageEvent } from '@nestjs/common';
import { Observable } from 'rxjs';
import { type LiveRequestsQuery, toPublicId } from '@app/contract';
import { CommittedRows, FinishedRequests, type RequestRow, type RowWatcher } from '@app/journal';
import { Clock, RedisConnection } from '@app/runtime';
import { toRequest } from '../admin/requests.controller.js';
import { AdminProblem } from '../http/admin-problem.js';
import { LiveFilter } from './live-filter.js';
import { gapEvent, type LiveEvent, LiveTail } from './live-tail.js';
import { RequestsInFlight } from './requests-in-flight.js';
import { toOpenRequest } from './shown-in-flight.js';

const TAILS_MAX = 100;
const BUSY_RETRY_SECONDS = 10;
const KEEP_ALIVE_MS = 15_000;
const STARTED_EVERY_MS = 250;
/** What a client that comes back gets of what it has missed. */
const MISSED_MAX = 1_000;
const REMEMBERED_MAX = 10_000;
/** Clients come back: for as long, what comes is remembered without any. */
const REMEMBERED_MS = 60_000;
/** Until other replicas have heard that somebody watches. */
const HEARD_MS = 300;
/** Rows of which events are made before others have their turn. */
const ROWS_AT_ONCE = 50;

/** Tells operators of each request as it ends, at whichever replica, and on demand of those that have begun at this one. */
@Injectable()
export class LiveRequests implements RowWatcher, BeforeApplicationShutdown {
  private readonly logger = new Logger(LiveRequests.name);
  private readonly tails = new Set<LiveTail>();
  /** Ids of the requests that were told, in that order. */
  private remembered: string[] = [];
  private telling: Promise<void> = Promise.resolve();
  /** Resolves when the rows of all replicas come; null: nobody watches. */
  private watching: Promise<void> | null = null;
  private forgetting: NodeJS.Timeout | null = null;
  private keepAlives: NodeJS.Timeout | null = null;
  private startedLooks: NodeJS.Timeout | null = null;
  private lookedAtMs = 0;

  // oxlint-disable-next-line max-params -- what it takes, by name
  constructor(
    private readonly rows: CommittedRows,
    private readonly finished: FinishedRequests,
    private readonly inFlight: RequestsInFlight,
    private readonly clock: Clock,
    private readonly replicas: RedisConnection,
  ) {}

  /** The events of a tail that begins when somebody subscribes; fails with a problem when there are too many. */
  tail(query: LiveRequestsQuery, lastId: string | null, response: ServerResponse): Observable<MessageEvent> {
    return new Observable((subscriber) => {
      if (this.tails.size >= TAILS_MAX) {
        const reason = `${TAILS_MAX} live tails are open at this replica.`;
        return subscriber.error(AdminProblem.tooManyRequests(reason, BUSY_RETRY_SECONDS));
      }
      const eventId = lastId && toPublicId('request', lastId);
      const isStartedWanted = query.include === 'started';
      const tail = new LiveTail(new LiveFilter(query), isStartedWanted, eventId, subscriber, response);
      this.opened(tail);
      if (lastId !== null) void this.catchUp(tail, lastId);
      return () => this.closed(tail);
    });
  }

  onRows(rows: readonly RequestRow[]): void {
    this.telling = this.telling.then(() => this.tell(rows));
  }

  onRowsMissed(count: number | null): void {
    // What the clients have seen until now is no place to go on behind.
    this.remembered = [];
    const gap = gapEvent({ dropped: count, reason: 'not_heard' });
    for (const tail of this.tails) tail.push(gap);
  }

  /** Before the server waits for its connections to end. */
  beforeApplicationShutdown(): void {
    for (const tail of this.tails) tail.end();
    this.forget();
  }

  private opened(tail: LiveTail): void {
    this.tails.add(tail);
    if (this.forgetting) clearTimeout(this.forgetting);
    this.forgetting = null;
    this.watching ??= this.rows.watch(this);
    this.keepAlives ??= setInterval(() => {
      for (const each of this.tails) each.keepAlive();
    }, KEEP_ALIVE_MS).unref();
    if (!tail.includesStarted || this.startedLooks) return;
    this.lookedAtMs = this.clock.monotonic();
    this.startedLooks = setInterval(() => this.tellStarted(), STARTED_EVERY_MS).unref();
  }

  private closed(tail: LiveTail): void {
    tail.close();
    this.tails.delete(tail);
    if (this.tails.size === 0 && this.watching) {
      this.forgetting ??= setTimeout(() => this.forget(), REMEMBERED_MS).unref();
    }
  }

  private forget(): void {
    for (const timer of [this.forgetting, this.keepAlives, this.startedLooks]) if (timer) clearTimeout(timer);
    this.forgetting = this.keepAlives = this.startedLooks = null;
    this.rows.unwatch();
    this.watching = null;
    this.remembered = [];
  }

  private async tell(rows: readonly RequestRow[]): Promise<void> {
    for (let index = 0; index < rows.length; index += ROWS_AT_ONCE) {
      if (index > 0) await othersTurn();
      for (const row of rows.slice(index, index + ROWS_AT_ONCE)) this.tellOne(row);
    }
    if (this.remembered.length > 2 * REMEMBERED_MAX) this.remembered = this.remembered.slice(-REMEMBERED_MAX);
  }

  private tellOne(row: RequestRow): void {
    this.remembered.push(row.id);
    let event: LiveEvent | null = null;
    for (const tail of this.tails) if (tail.filter.fits(row)) tail.push((event ??= requestEvent(row)));
  }

  /** Looked for now and then, so that it costs a request nothing: one that is over by then is told of by its row alone. */
  private tellStarted(): void {
    const nowMs = this.clock.monotonic();
    const tails = [...this.tails].filter(({ includesStarted }) => includesStarted);
    for (const request of tails.length > 0 ? this.inFlight : []) {
      const { record } = request;
      if (record.startedMonotonicMs < this.lookedAtMs) continue;
      const shown = toOpenRequest(request, nowMs, this.replicas.replicaId);
      const event: LiveEvent = { type: 'started', requestId: record.id, eventId: null, data: JSON.stringify(shown) };
      for (const tail of tails) if (tail.filter.fitsOpen(record)) tail.push(event);
    }
    this.lookedAtMs = nowMs;
  }

  /** Looks up what a client that comes back has not seen; what comes meanwhile waits in its tail. */
  private async catchUp(tail: LiveTail, lastId: string): Promise<void> {
    try {
      tail.catchUp(await this.missedSince(lastId, tail.filter));
    } catch (error) {
      this.logger.warn(`what a live tail has missed could not be read: ${String(error)}`);
      tail.catchUp([gapEvent({ dropped: null, reason: 'not_heard' })]);
    }
  }

  private async missedSince(lastId: string, filter: LiveFilter): Promise<LiveEvent[]> {
    const place = this.remembered.lastIndexOf(lastId);
    // The order in which they were told decides; it is not that of their ids.
    const missed = place === -1 ? null : this.remembered.slice(place + 1);
    const rows = missed ? await this.finished.byIds(missed.slice(-MISSED_MAX)) : await this.loggedSince(lastId);
    const tooMany = (missed ?? rows).length - MISSED_MAX;
    const events = rows
      .slice(-MISSED_MAX)
      .filter((row) => filter.fits(row))
      .map(requestEvent);
    if (tooMany <= 0) return events;
    return [gapEvent({ dropped: missed ? tooMany : null, reason: 'too_many_missed' }), ...events];
  }

  /** Of a time in which nothing was remembered here. */
  private async loggedSince(lastId: string): Promise<RequestRow[]> {
    await this.watching;
    // What others commit before they have heard that somebody watches is in the log by then.
    await new Promise((resolve) => setTimeout(resolve, HEARD_MS).unref());
    return this.finished.since(lastId, MISSED_MAX);
  }
}

function requestEvent(row: RequestRow): LiveEvent {
  const request = toRequest(row);
  return { type: 'request', requestId: row.id, eventId: request.id, data: JSON.stringify(request) };
}
