import type { ServerResponse } from 'node:http';
import type { MessageEvent } from '@nestjs/common';
import type { Subscriber } from 'rxjs';
import type { LiveGap } from '@app/contract';
import type { LiveFilter } from './live-filter.js';

/** What waits for a reader that is too slow: beyond either, events are dropped. */
const WAITING_MAX = 1_000;
const WAITING_CHARACTERS_MAX = 1024 * 1024;
/** Written at once: then others have their turn, and the socket is asked whether it takes more. */
const WRITTEN_AT_ONCE = 16;

/** An event of a tail; its text is made once for all tails. */
export interface LiveEvent {
  readonly type: 'request' | 'started' | 'gap';
  /** UUID of a request that has ended; null: it is not one to go on behind. */
  readonly requestId: string | null;
  /** The id by which a client comes back. */
  readonly eventId: string | null;
  readonly data: string;
}

/** What a gap says. */
export function gapEvent(gap: LiveGap): LiveEvent {
  return { type: 'gap', requestId: null, eventId: null, data: JSON.stringify(gap) };
}

/**
 * One reader of the live tail. What it does not read waits here and not in its stream, so that it can be bounded: what is too
 * much is dropped, and a gap says so at the place where it is missing.
 */
export class LiveTail {
  private readonly waiting: LiveEvent[] = [];
  private waitingCharacters = 0;
  private dropped = 0;
  /** What was missed before the tail began, and still has to be told; null: it is being looked up. */
  private missed: LiveEvent[] | null;
  private isWriting = false;
  private isClosed = false;

  /** @param lastId what the client has seen last; null: it begins here */
  constructor(
    readonly filter: LiveFilter,
    readonly includesStarted: boolean,
    private lastId: string | null,
    private readonly subscriber: Subscriber<MessageEvent>,
    private readonly response: ServerResponse,
  ) {
    this.missed = lastId === null ? [] : null;
    response.on('drain', this.write);
    // Whoever reads events has nothing to close its side for but to leave.
    response.socket?.once('end', this.end);
  }

  /** Adds an event behind all others. */
  push(event: LiveEvent): void {
    if (this.isFull) return void this.dropped++;
    this.tellDropped();
    this.add(event);
    this.writeSoon();
  }

  /** What comes before everything that was pushed. */
  catchUp(events: readonly LiveEvent[]): void {
    const ids = new Set(events.map(({ requestId }) => requestId));
    this.missed = events.toReversed();
    // What was committed while it was looked up is in both.
    const again = this.waiting.filter(({ type, requestId }) => type !== 'request' || !ids.has(requestId));
    this.waiting.splice(0, this.waiting.length, ...again);
    this.waitingCharacters = again.reduce((sum, { data }) => sum + data.length, 0);
    this.writeSoon();
  }

  /** Keeps the connection open, if nothing else does. */
  keepAlive(): void {
    if (!this.isHeld && this.waiting.length === 0) this.subscriber.next({ comment: 'keep-alive' });
  }

  /** The gateway has nothing more to tell, or the client has left. */
  readonly end = (): void => {
    this.close();
    this.subscriber.complete();
    // What the client has not read by now would hold up the end of the process.
    if (this.response.writableNeedDrain) this.response.destroy();
  };

  close(): void {
    this.isClosed = true;
    this.response.off('drain', this.write);
    this.response.socket?.off('end', this.end);
  }

  private get isFull(): boolean {
    return this.waiting.length >= WAITING_MAX || this.waitingCharacters >= WAITING_CHARACTERS_MAX;
  }

  private get isHeld(): boolean {
    return this.isClosed || this.missed === null || this.response.writableNeedDrain;
  }

  private add(event: LiveEvent): void {
    this.waiting.push(event);
    this.waitingCharacters += event.data.length;
  }

  private tellDropped(): void {
    if (this.dropped === 0) return;
    this.add(gapEvent({ dropped: this.dropped, reason: 'slow_reader' }));
    this.dropped = 0;
  }

  private writeSoon(): void {
    if (this.isWriting) return;
    this.isWriting = true;
    setImmediate(() => {
      this.isWriting = false;
      this.write();
    });
  }

  private readonly write = (): void => {
    for (let count = 0; count < WRITTEN_AT_ONCE; count++) {
      if (this.isHeld) return;
      const event = this.next();
      if (!event) return;
      this.lastId = event.eventId ?? this.lastId;
      this.subscriber.next({ type: event.type, id: this.lastId ?? '', data: event.data });
    }
    this.writeSoon();
  };

  private next(): LiveEvent | undefined {
    const missed = this.missed?.pop();
    if (missed) return missed;
    if (this.waiting.length === 0) this.tellDropped();
    const event = this.waiting.shift();
    if (event) this.waitingCharacters -= event.data.length;
    return event;
  }
}
