import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { setImmediate as othersTurn } from 'node:timers/promises';
import { type BeforeApplicationShutdown, Injectable, Logger, type MessageEvent } from '@nestjs/common';
import { Observable } from 'rxjs';
import { fromPublicId } from '@app/contract';
import {
  CommittedRows,
  FinishedRequests,
  type RequestFilter,
  requestMatch,
  type RequestRow,
  type RowWatcher,
} from '@app/journal';
import { toRequest } from '../admin/shown-request.js';
import { GatewayMetrics } from '../health/gateway-metrics.js';
import { AdminProblem } from '../http/admin-problem.js';
import { gapEvent, type LiveEvent, LiveTail } from './live-tail.js';

const TAILS_MAX = 100;
const BUSY_RETRY_SECONDS = 10;
const KEEP_ALIVE_MS = 15_000;
/** What a client that comes back gets of what it has missed. */
const MISSED_MAX = 1_000;
const REMEMBERED_MAX = 10_000;
/** Clients come back: for as long, what comes is remembered without any. */
const REMEMBERED_MS = 60_000;
/** Until other replicas have heard that somebody watches. */
const HEARD_MS = 300;
/** Rows of which events are made before others have their turn. */
const ROWS_AT_ONCE = 50;

/** What a client has seen last. */
interface Place {
  readonly requestId: string;
  /** This process has told it. */
  readonly isOurs: boolean;
}

/** Tells operators of each request as it ends, at whichever replica. */
@Injectable()
export class LiveRequests implements RowWatcher, BeforeApplicationShutdown {
  private readonly logger = new Logger(LiveRequests.name);
  private readonly tails = new Set<LiveTail>();
  /** Ends the id of each event. */
  private readonly processTag = randomUUID().slice(0, 8);
  /** Ids of the requests that were told, in that order. */
  private remembered: string[] = [];
  private telling: Promise<void> = Promise.resolve();
  /** Resolves when the rows of all replicas come; null: nobody watches. */
  private watching: Promise<void> | null = null;
  private forgetting: NodeJS.Timeout | null = null;
  private keepAlives: NodeJS.Timeout | null = null;

  constructor(
    private readonly rows: CommittedRows,
    private readonly finished: FinishedRequests,
    metrics: GatewayMetrics,
  ) {
    metrics.showGauge('tollgate_live_tails', 'Readers of the live tail', () => this.tails.size);
  }

  /**
   * The events of a tail that begins when somebody subscribes; fails with a problem when there are too many.
   *
   * @param lastEventId of an event, or a public id of a request; null: it begins with what comes now
   * @param watchAccess calls back when the reader may no longer read; returns what stops it
   */
  tail(
    filter: RequestFilter,
    lastEventId: string | null,
    response: ServerResponse,
    watchAccess: (end: () => void) => () => void,
  ): Observable<MessageEvent> {
    const place = lastEventId === null ? null : this.placeOf(lastEventId);
    return new Observable((subscriber) => {
      if (this.tails.size >= TAILS_MAX) {
        const reason = `${TAILS_MAX} live tails are open at this replica.`;
        return subscriber.error(AdminProblem.tooManyRequests(reason, BUSY_RETRY_SECONDS));
      }
      const tail = new LiveTail(requestMatch(filter), lastEventId, subscriber, response);
      this.opened(tail);
      if (place) void this.catchUp(tail, place, filter);
      const unwatch = watchAccess(tail.end);
      return () => {
        unwatch();
        this.closed(tail);
      };
    });
  }

  onRows(rows: readonly RequestRow[]): void {
    this.telling = this.telling
      .then(() => this.tell(rows))
      .catch((error: unknown) => {
        this.logger.error(`rows could not be told: ${String(error)}`);
        this.onRowsMissed(null);
      });
  }

  onRowsMissed(count: number | null): void {
    // What the clients have seen until now is no place to go on behind.
    this.remembered = [];
    const gap = gapEvent({ missing: count, reason: 'not_heard' });
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
  }

  private closed(tail: LiveTail): void {
    tail.close();
    this.tails.delete(tail);
    if (this.tails.size === 0 && this.watching) {
      this.forgetting ??= setTimeout(() => this.forget(), REMEMBERED_MS).unref();
    }
  }

  private forget(): void {
    for (const timer of [this.forgetting, this.keepAlives]) if (timer) clearTimeout(timer);
    this.forgetting = this.keepAlives = null;
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
    for (const tail of this.tails) if (tail.matches(row)) tail.push((event ??= this.eventOf(row, true)));
  }

  /** @param isOurs it has its place among what this process has told */
  private eventOf(row: RequestRow, isOurs: boolean): LiveEvent {
    const request = toRequest(row);
    const eventId = isOurs ? `${request.id}.${this.processTag}` : request.id;
    return { type: 'request', requestId: row.id, eventId, data: JSON.stringify(request) };
  }

  /** Each process tells requests in an order of its own: only what was told here has a place in it. */
  private placeOf(lastEventId: string): Place {
    const [publicId = '', tag] = lastEventId.split('.', 2);
    const requestId = fromPublicId('request', publicId);
    if (requestId === null) {
      throw AdminProblem.invalid([{ path: 'last-event-id', message: 'must be the id of an event or of a request' }]);
    }
    return { requestId, isOurs: tag === this.processTag };
  }

  /** Looks up what a client that comes back has not seen; what comes meanwhile waits in its tail. */
  private async catchUp(tail: LiveTail, place: Place, filter: RequestFilter): Promise<void> {
    try {
      const told = place.isOurs ? this.remembered.lastIndexOf(place.requestId) : -1;
      const rows = told === -1 ? await this.loggedSince(place, filter) : await this.toldSince(told, filter);
      const events = rows.slice(-MISSED_MAX).map((row) => this.eventOf(row, told !== -1));
      const gap = gapEvent({ missing: null, reason: 'too_many_missed' });
      tail.catchUp(rows.length > MISSED_MAX ? [gap, ...events] : events);
    } catch (error) {
      this.logger.warn(`what a live tail has missed could not be read: ${String(error)}`);
      tail.catchUp([gapEvent({ missing: null, reason: 'not_heard' })]);
    }
  }

  /** In the order in which they were told, which is not that of their ids; one more than a client gets, if there are so many. */
  private toldSince(told: number, filter: RequestFilter): Promise<RequestRow[]> {
    return this.finished.byIds(this.remembered.slice(told + 1), filter, MISSED_MAX + 1);
  }

  /** Of a time in which nothing was remembered here, or by another process; again one more. */
  private async loggedSince({ requestId }: Place, filter: RequestFilter): Promise<RequestRow[]> {
    await this.watching;
    // What others commit before they have heard that somebody watches is in the log by then.
    await new Promise((resolve) => setTimeout(resolve, HEARD_MS).unref());
    return this.finished.since(requestId, filter, MISSED_MAX + 1);
  }
}
