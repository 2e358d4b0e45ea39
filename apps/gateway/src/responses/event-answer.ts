import { errors, EventStreamTap, responseFailedEvent } from '@app/protocol';
import type { Answer, AnswerContext } from './answer.js';

/** Part of an event that is held back until its rest is there: beyond it the part goes out as it is. */
const HELD_BYTES_MAX = 64 * 1024;
/** How long an upstream may keep the connection open behind the terminal event: room for a [DONE]. */
const LINGER_MS = 1_000;
const BROKE_OFF = 'The model provider broke off the answer. Try again.';
const HEAD = [
  'content-type',
  'text/event-stream; charset=utf-8',
  'cache-control',
  'no-cache, no-transform',
  'x-accel-buffering',
  'no',
] as const;
const EMPTY = Buffer.alloc(0);

/**
 * A stream of events: they pass through byte for byte and whole, while a tap notes how the response ends. The record is
 * settled when the terminal event passes, not at the end of the bytes: Codex hangs up in between.
 */
export class EventAnswer implements Answer {
  private readonly tap = new EventStreamTap();
  /** Chunks of the same read, not yet looked at: many small writes of an upstream go on as one. */
  private batch: Buffer[] = [];
  private held: Buffer = EMPTY;
  /** Bytes of an unfinished event have gone out. */
  private isEventOpen = false;
  private settledType: string | null = null;
  private lingering: NodeJS.Timeout | null = null;
  private isOver = false;

  constructor(private readonly context: AnswerContext) {}

  push(chunk: Buffer): boolean {
    if (this.batch.push(chunk) === 1) process.nextTick(flushBatch, this);
    return !this.context.client.needsDrain;
  }

  end(): void {
    this.flush();
    this.tap.end();
    this.settle();
    if (this.isFinal) {
      if (this.held.length > 0) this.write(this.held);
      return this.finish();
    }
    const { record, client } = this.context;
    record.cut = 'upstream';
    record.errorMessage ??= 'the stream ended without a terminal event';
    if (client.isHeadSent) this.breakOff(BROKE_OFF);
    else client.fail(errors.upstreamFailed('the stream ended before its first event'));
  }

  /** A stream never ends silently, nor with a bare error event: response.failed says what happened. */
  breakOff(message: string): void {
    this.flush();
    if (this.isOver) return;
    if (this.isFinal) return this.finish();
    const { record, requestedModel } = this.context;
    const { tap } = this;
    record.errorCode ??= tap.terminal?.errorCode ?? 'server_error';
    const event = responseFailedEvent({
      responseId: tap.responseId ?? `resp_${record.id.replaceAll('-', '')}`,
      sequenceNumber: tap.nextSequenceNumber(),
      model: requestedModel,
      createdAtSeconds: Math.floor(record.startedAtMs / 1000),
      code: record.errorCode,
      message: tap.terminal?.errorMessage ?? message,
    });
    this.write(this.isEventOpen ? joined(Buffer.from('\n\n'), event) : event);
    this.finish();
  }

  /** Passes on what has come since the last time; called at the end of each read of the upstream's socket. */
  flush(): void {
    const [first] = this.batch;
    if (!first) return;
    const chunk = this.batch.length === 1 ? first : Buffer.concat(this.batch);
    this.batch = [];
    if (!this.isOver) this.pass(chunk);
  }

  /** The terminal event has passed; an error event alone is none (protocol.md §2.6). */
  private get isFinal(): boolean {
    return this.settledType !== null && this.settledType !== 'error';
  }

  private pass(chunk: Buffer): void {
    const whole = this.tap.push(chunk);
    this.settle();
    if (whole === chunk.length && this.held.length === 0) {
      this.isEventOpen = false;
      this.write(chunk);
      return;
    }
    // Only whole events go out: should the upstream break off, the client's parser stands between two events.
    const out = whole > 0 ? joined(this.held, chunk.subarray(0, whole)) : EMPTY;
    this.held = whole > 0 ? chunk.subarray(whole) : joined(this.held, chunk);
    if (out.length > 0) {
      this.isEventOpen = false;
      this.write(out);
    }
    if (this.held.length > HELD_BYTES_MAX || this.isEventOpen) {
      this.isEventOpen = true;
      this.write(this.held);
      this.held = EMPTY;
    }
  }

  /** Before the bytes go out: whoever sees the terminal event can find it in the log. */
  private settle(): void {
    const { terminal, responseId } = this.tap;
    const { record, price } = this.context;
    record.responseId ??= responseId;
    if (!terminal || terminal.type === this.settledType) return;
    this.settledType = terminal.type;
    const status = terminal.type === 'error' ? 'failed' : (terminal.status ?? terminal.type.slice('response.'.length));
    record.settle({ ...terminal, id: terminal.id ?? responseId, status }, 'terminal_event', price);
    if (this.isFinal) this.lingering = setTimeout(() => this.finish(), LINGER_MS).unref();
  }

  private write(bytes: Buffer): void {
    const { client } = this.context;
    if (!client.isHeadSent) client.writeHead(HEAD);
    client.write(bytes);
  }

  private finish(): void {
    if (this.isOver) return;
    this.isOver = true;
    if (this.lingering) clearTimeout(this.lingering);
    this.context.client.end();
  }
}

function flushBatch(answer: EventAnswer): void {
  answer.flush();
}

function joined(first: Buffer, second: Buffer): Buffer {
  return first.length === 0 ? second : Buffer.concat([first, second]);
}
