import { CollectedResponse, readResponseSummary, UNREAD_RESPONSE } from '@app/protocol';
import type { AttemptFailure } from '@app/upstreams';
import type { Answer, AnswerContext } from './answer.js';
import { endedEarly, failedAtOnce, unusable } from './attempt-failures.js';

/** Beyond it the answer is given up: it is held until it is whole. */
const HELD_BYTES_MAX = 64 * 1024 * 1024;
/** How long an upstream may keep the connection open behind the terminal event, so that the connection can be used again. */
const LINGER_MS = 250;

/** One JSON object for a client that asked for no stream, from an upstream that only streams. */
export class JsonFromEvents implements Answer {
  private readonly collected = new CollectedResponse();
  private lingering: NodeJS.Timeout | null = null;
  private isOver = false;

  constructor(private readonly context: AnswerContext) {}

  get eventCount(): number {
    return this.collected.tap.eventCount;
  }

  push(chunk: Buffer): boolean {
    if (this.isOver || this.lingering) return true;
    this.collected.push(chunk);
    if (this.collected.bytes > HELD_BYTES_MAX) {
      this.fail(unusable(this.context.status, `an answer of more than ${HELD_BYTES_MAX} bytes`));
      return true;
    }
    const json = this.collected.toJson();
    if (json && this.answer(json)) this.lingering = setTimeout(() => this.finish(), LINGER_MS).unref();
    return true;
  }

  end(): void {
    if (this.isOver || this.lingering) return this.finish();
    this.collected.end();
    const json = this.collected.toJson();
    if (json) {
      if (this.answer(json)) this.finish();
      return;
    }
    const { terminal } = this.collected.tap;
    if (!terminal) return this.fail(endedEarly(this.collected.tap.lastEventType()));
    // An error event that no response.failed followed.
    const said = `${terminal.errorCode ?? terminal.type}: ${terminal.errorMessage ?? 'no message'}`;
    this.fail(failedAtOnce(terminal, this.context.headers) ?? unusable(this.context.status, said));
  }

  /** Comes only while lingering: before that there is no head. */
  breakOff(): void {
    this.finish();
  }

  keepAlive(): boolean {
    return false;
  }

  discard(): void {
    this.isOver = true;
    if (this.lingering) clearTimeout(this.lingering);
  }

  /**
   * Written whole, under its length: the client has all of it, whatever becomes of the upstream's connection now. False
   * when the answer was only a failure, and another upstream is asked in its place.
   */
  private answer(json: Buffer): boolean {
    const { client, headers, rule } = this.context;
    const { terminal, hasContent } = this.collected.tap;
    const failure = terminal?.type === 'response.failed' && !hasContent ? failedAtOnce(terminal, headers) : null;
    if (failure && client.moveOn(failure)) return false;
    const summary = terminal ?? readResponseSummary(json) ?? UNREAD_RESPONSE;
    rule.settle({ ...summary, id: summary.id ?? this.collected.tap.responseId }, 'terminal_event', json);
    client.writeHead(['content-type', 'application/json', 'content-length', String(json.length)]);
    client.write(json);
    return true;
  }

  private fail(failure: AttemptFailure): void {
    this.isOver = true;
    this.context.client.fail(failure);
  }

  private finish(): void {
    if (this.isOver) return;
    this.isOver = true;
    if (this.lingering) clearTimeout(this.lingering);
    this.context.client.end();
  }
}
