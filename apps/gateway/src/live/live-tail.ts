import type { ServerResponse } from 'node:http';
import type { MessageEvent } from '@nestjs/common';
import type { Subscriber } from 'rxjs';
import type { LiveGap } from '@app/contract';
import type { RequestMatch } from '@app/journal';

/** What waits for a reader that is too slow: beyond either, it has to come back. */
const WAITING_MAX = 2_000;
const WAITING_CHARACTERS_MAX = 4 * 1024 * 1024;
/** Written at once: then others have their turn, and the socket is asked whether it takes more. */
const WRITTEN_AT_ONCE = 16;

/** An event of a tail; its text is made once for all tails. */
export interface LiveEvent {
  readonly type: 'request' | 'gap';
  /** UUID of the request; null: it is of none. */
  readonly requestId: string | null;
  /** By which a client comes back; null: by the one before it. */
  readonly eventId: string | null;
  readonly data: string;
}

/** What a gap says. */
export function gapEvent(gap: LiveGap): LiveEvent {
  return { type: 'gap', requestId: null, eventId: null, data: JSON.stringify(gap) };
}

/**
 * One reader of the live tail. What it does not read waits here and not in its stream, so that it can be bounded: when it is too
 * much the connection is cut, and the reader goes on behind the last event that it has seen when it comes back.
 */
export class LiveTail {
  private waiting: LiveEvent[] = [];
  private waitingCharacters = 0;
  /** What was missed before the tail began, newest first; null: it is being looked up. */
  private missed: LiveEvent[] | null;
  private isWriting = false;
  private isClosed = false;

  /** @param lastEventId what the client has seen last; null: it begins here */
  constructor(
    readonly matches: RequestMatch,
    private lastEventId: string | null,
    private readonly subscriber: Subscriber<MessageEvent>,
    private readonly response: ServerResponse,
  ) {
    this.missed = lastEventId === null ? [] : null;
    response.on('drain', this.write);
    // Whoever reads events has nothing to close its side for but to leave.
    response.socket?.once('end', this.end);
  }

  /** Adds an event behind all others. */
  push(event: LiveEvent): void {
    if (this.isClosed) return;
    this.waiting.push(event);
    this.waitingCharacters += event.data.length;
    if (this.waiting.length > WAITING_MAX || this.waitingCharacters > WAITING_CHARACTERS_MAX) return this.cut();
    this.writeSoon();
  }

  /** What comes before everything that was pushed. */
  catchUp(events: readonly LiveEvent[]): void {
    const ids = new Set(events.map(({ requestId }) => requestId));
    this.missed = events.toReversed();
    // What was committed while it was looked up is in both.
    this.waiting = this.waiting.filter(({ type, requestId }) => type !== 'request' || !ids.has(requestId));
    this.waitingCharacters = this.waiting.reduce((sum, { data }) => sum + data.length, 0);
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

  /** Nothing is written any more, and nothing waits. */
  close(): void {
    this.isClosed = true;
    this.waiting = this.missed = [];
    this.response.off('drain', this.write);
    this.response.socket?.off('end', this.end);
  }

  private cut(): void {
    this.close();
    this.response.destroy();
  }

  private get isHeld(): boolean {
    return this.isClosed || this.missed === null || this.response.writableNeedDrain;
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
      const event = this.missed?.pop() ?? this.nextWaiting();
      if (!event) return;
      this.lastEventId = event.eventId ?? this.lastEventId;
      this.subscriber.next({ type: event.type, id: this.lastEventId ?? '', data: event.data });
    }
    this.writeSoon();
  };

  private nextWaiting(): LiveEvent | undefined {
    const event = this.waiting.shift();
    if (event) this.waitingCharacters -= event.data.length;
    return event;
  }
}
