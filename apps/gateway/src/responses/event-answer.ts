import { EventStreamTap, responseFailedEvent, StreamNormalizer, type TerminalEvent } from '@app/protocol';
import type { AttemptFailure } from '@app/upstreams';
import type { Answer, AnswerContext } from './answer.js';
import { EVENT_STREAM_HEAD } from './event-stream-head.js';
import { endedEarly, eventTooLarge, failedAtOnce } from './attempt-failures.js';

/** Part of an event that is held back until its rest is there: beyond it the part goes out as it is. */
const HELD_BYTES_MAX = 64 * 1024;
/** A single event beyond this is no event that any client could take. */
const EVENT_BYTES_MAX = 32 * 1024 * 1024;
/** How long an upstream may keep the connection open behind the terminal event: room for a [DONE]. */
const LINGER_MS = 1_000;
/** How long events that carry nothing of the answer yet are held back, so that another upstream can still be asked. */
const OPENING_MS_MAX = 500;
const EMPTY = Buffer.alloc(0);
export const COMMENT = Buffer.from(': keep-alive\n\n');
/** Any data event resets Codex's idle timer, comments do not (codex-cli.md §3). It carries no number, so that none is missing. */
export const KEEP_ALIVE_EVENT = Buffer.from('event: keepalive\ndata: {"type":"keepalive"}\n\n');
const DONE = /^data: ?\[DONE\]\s*$/;

/**
 * A stream of events: they pass through byte for byte and whole, while a tap notes how the response ends. The record is
 * settled when the terminal event passes, not at the end of the bytes: Codex hangs up in between.
 */
export class EventAnswer implements Answer {
  private readonly tap = new EventStreamTap();
  private readonly normalizer = new StreamNormalizer();
  /** Chunks of the same read, not yet looked at: many small writes of an upstream go on as one. */
  private batch: Buffer[] = [];
  private held: Buffer = EMPTY;
  /** Whole events that came before any content; null once they are out. */
  private opening: Buffer[] | null;
  private openingTimer: NodeJS.Timeout | null = null;
  /** Bytes of an unfinished event have gone out. */
  private isEventOpen = false;
  private openEventBytes = 0;
  private settledType: string | null = null;
  private isResponseIdTold = false;
  private lingering: NodeJS.Timeout | null = null;
  private isOver = false;

  constructor(private readonly context: AnswerContext) {
    const { client } = context;
    this.opening = client.canMoveOn && !client.isHeadSent ? [] : null;
  }

  get eventCount(): number {
    return this.tap.eventCount;
  }

  /** Type of the last event that has passed whole. */
  lastEventType(): string | null {
    return this.tap.lastEventType();
  }

  push(chunk: Buffer): boolean {
    if (this.batch.push(chunk) === 1) process.nextTick(flushBatch, this);
    return !this.context.client.needsDrain;
  }

  end(): void {
    this.flush();
    if (this.isOver) return;
    this.pass(this.normalizer.end());
    this.tap.end();
    this.settle();
    if (this.isOver) return;
    if (this.isFinal) {
      // Without its blank line Codex would not see the last event.
      this.letOpeningOut();
      if (this.held.length > 0 || this.isEventOpen) this.write(joined(this.held, Buffer.from(endOfEvent(this.held))));
      return this.finish();
    }
    this.context.client.fail(endedEarly(this.tap.lastEventType()));
  }

  /** A stream never ends silently, nor with a bare error event: response.failed says what happened. */
  breakOff(failure: AttemptFailure): void {
    this.flush();
    if (this.isOver) return;
    if (this.isFinal) return this.finish();
    const { record, requestedModel, rule, client } = this.context;
    if (rule.isReplay) {
      // Whoever reads a replay can ask for the rest of it, once he sees that there is one.
      this.isOver = true;
      return client.destroy();
    }
    const { tap } = this;
    record.errorCode = tap.terminal?.errorCode ?? record.errorCode ?? failure.event.code;
    record.lastEvent ??= tap.lastEventType();
    // The upstream has said itself that it failed, if not in the form of an end.
    if (tap.terminal) record.noteRefused();
    const event = responseFailedEvent({
      responseId: tap.responseId ?? record.ownResponseId,
      sequenceNumber: tap.nextSequenceNumber(),
      model: requestedModel,
      createdAtSeconds: Math.floor(record.startedAtMs / 1000),
      code: tap.terminal ? record.errorCode : (failure.event.toldAs ?? record.errorCode),
      message: tap.terminal?.errorMessage ?? failure.event.message,
    });
    record.noteEnding();
    this.letOpeningOut();
    this.write(this.isEventOpen ? joined(Buffer.from('\n\n'), event) : event);
    this.finish();
  }

  keepAlive(): boolean {
    // Never inside an event, and never a second answer behind the end of this one.
    if (this.isOver || this.isEventOpen || this.isFinal) return false;
    this.letOpeningOut();
    const isCreated = this.tap.responseId !== null;
    this.write(this.context.isCodex && isCreated ? KEEP_ALIVE_EVENT : COMMENT);
    return true;
  }

  discard(): void {
    this.isOver = true;
    this.stopTimers();
  }

  /** Passes on what has come since the last time; called at the end of each read of the upstream's socket. */
  flush(): void {
    const [first] = this.batch;
    if (!first) return;
    const chunk = this.batch.length === 1 ? first : Buffer.concat(this.batch);
    this.batch = [];
    if (!this.isOver) this.pass(this.normalizer.push(chunk));
  }

  /** The terminal event has passed; an error event alone is none (protocol.md §2.6). */
  private get isFinal(): boolean {
    return this.settledType !== null && this.settledType !== 'error';
  }

  private pass(chunk: Buffer): void {
    if (chunk.length === 0) return;
    if (this.isFinal) return this.passRest(chunk);
    const whole = this.tap.push(chunk);
    this.openEventBytes = whole > 0 ? chunk.length - whole : this.openEventBytes + chunk.length;
    if (this.opening && this.hasFailedAtOnce()) return;
    this.settle();
    if (this.isFinal) return this.passLast(chunk, whole);
    if (whole === chunk.length && this.held.length === 0) {
      this.isEventOpen = false;
      this.send(chunk);
      return;
    }
    // Only whole events go out: should the upstream break off, the client's parser stands between two events.
    const out = whole > 0 ? joined(this.held, chunk.subarray(0, whole)) : EMPTY;
    this.held = whole > 0 ? chunk.subarray(whole) : joined(this.held, chunk);
    if (out.length > 0) {
      this.isEventOpen = false;
      this.send(out);
    }
    if (this.held.length > HELD_BYTES_MAX || this.isEventOpen) {
      this.letOpeningOut();
      this.isEventOpen = true;
      this.write(this.held);
      this.held = EMPTY;
    }
    if (this.openEventBytes > EVENT_BYTES_MAX) this.context.client.fail(eventTooLarge(EVENT_BYTES_MAX));
  }

  /** The chunk that ends the response: what stands behind the terminal event is judged on its own. */
  private passLast(chunk: Buffer, whole: number): void {
    this.letOpeningOut();
    this.write(joined(this.held, chunk.subarray(0, whole)));
    this.held = EMPTY;
    this.isEventOpen = false;
    this.passRest(chunk.subarray(whole));
  }

  /** Nothing follows the terminal event but an upstream's [DONE]. */
  private passRest(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.held = joined(this.held, chunk);
    const text = this.held.toString('latin1');
    if (DONE.test(text) && /\n\r?\n$/.test(text)) {
      this.write(this.held);
      this.held = EMPTY;
      this.finish();
    } else if (!'data: [DONE]\r\n\r\n'.startsWith(text) && !DONE.test(text)) {
      this.held = EMPTY;
      this.finish();
    }
  }

  /** A stream that has only told its failure is as good as a refusal: another upstream may do better. */
  private hasFailedAtOnce(): boolean {
    const { terminal, hasContent } = this.tap;
    if (hasContent || !terminal || !isFailure(terminal)) return false;
    const failure = failedAtOnce(terminal, this.context.headers);
    return failure !== null && this.context.client.moveOn(failure);
  }

  /** Before the bytes go out: whoever sees the terminal event can find it in the log. */
  private settle(): void {
    const { terminal, responseId } = this.tap;
    const { record, rule } = this.context;
    if (responseId !== null && !this.isResponseIdTold) {
      this.isResponseIdTold = true;
      record.responseId ??= responseId;
      rule.onResponseId(responseId);
    }
    if (!terminal || terminal.type === this.settledType) return;
    this.settledType = terminal.type;
    // An error event is the end only if no response.failed follows; that is known when the stream ends.
    if (!this.isFinal) return;
    const status = terminal.status ?? terminal.type.slice('response.'.length);
    rule.settle({ ...terminal, id: terminal.id ?? responseId, status }, 'terminal_event', terminal.response);
    this.lingering = setTimeout(() => this.finish(), LINGER_MS).unref();
  }

  /** Whole events; those without content wait for a moment while another upstream could be asked. */
  private send(events: Buffer): void {
    const { opening, tap } = this;
    if (!opening) return this.write(events);
    opening.push(events);
    if (tap.hasContent) return this.letOpeningOut();
    this.openingTimer ??= setTimeout(() => this.letOpeningOut(), OPENING_MS_MAX).unref();
  }

  private letOpeningOut(): void {
    const { opening } = this;
    if (!opening) return;
    this.opening = null;
    if (this.openingTimer) clearTimeout(this.openingTimer);
    if (opening.length > 0 && !this.isOver) this.write(Buffer.concat(opening));
  }

  private write(bytes: Buffer): void {
    const { client } = this.context;
    if (!client.isHeadSent) client.writeHead(EVENT_STREAM_HEAD);
    if (bytes.length > 0) client.write(bytes);
  }

  private finish(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.stopTimers();
    this.context.client.end();
  }

  private stopTimers(): void {
    if (this.lingering) clearTimeout(this.lingering);
    if (this.openingTimer) clearTimeout(this.openingTimer);
  }
}

function flushBatch(answer: EventAnswer): void {
  answer.flush();
}

function isFailure({ type }: TerminalEvent): boolean {
  return type === 'error' || type === 'response.failed';
}

/** What an event that ends in these bytes lacks of its blank line. */
function endOfEvent(bytes: Buffer): string {
  return bytes.at(-1) === 0x0a ? '\n' : '\n\n';
}

function joined(first: Buffer, second: Buffer): Buffer {
  return first.length === 0 ? second : Buffer.concat([first, second]);
}
