import type { FastifyReply } from 'fastify';
import type { RequestRecord } from '@app/journal';

/** An answer as its client's departure concerns it. */
export interface ProbedAnswer {
  /** Everything is written, or nobody waits for it. */
  readonly isSettled: boolean;
  /** Writes something that means nothing to the client; false when nothing can be written now. */
  keepAlive(): boolean;
  /** The upstream has said all that matters: ends the response. */
  finish(): void;
}

/**
 * Waits between probes. The first one makes the system of a client that has left send a reset, which only the next write gets
 * to see: that comes soon for clients nearby, and again for those far away.
 */
const WAITS_MS = [30, 270, 1_200] as const;
/** Further ones, until there is a head: before it nothing else is written that could tell. */
const WAIT_FOR_HEAD_MS = 5_000;

/**
 * Tells a client that has left from one that has only closed its side, which is legal behind a whole request and wants its
 * answer (RFC 9112 §9.6). Both look the same until something is written. Who cannot be asked until the last wait is over is
 * taken to have left, as Node takes all of them.
 */
export class DepartureProbe {
  /** Whether the client closed its side before it could have had all of its answer. */
  private readonly isBeforeEnd: boolean;
  private timer: NodeJS.Timeout | null = null;
  private count = 0;
  /** How much had gone out at the last probe. */
  private bytes = 0;

  constructor(
    private readonly reply: FastifyReply,
    private readonly record: RequestRecord,
    private readonly answer: ProbedAnswer,
  ) {
    this.isBeforeEnd = !record.isComplete;
  }

  /** The client has closed its side. */
  start(): void {
    // At once, so that what the upstream sends next finds the connection of a client nearby reset.
    if (this.timer === null) this.ask();
  }

  /** The response has closed. The upstream may have come to its end in the moment before the departure was known. */
  end(): void {
    if (this.timer) clearTimeout(this.timer);
    const { record, reply, isBeforeEnd } = this;
    if (isBeforeEnd && record.isComplete && reply.request.raw.socket.errored) record.clientLeftAction ??= 'drained';
  }

  private wait(ms: number): void {
    this.timer = setTimeout(() => this.ask(), ms).unref();
  }

  private ask(): void {
    const { answer, reply } = this;
    if (answer.isSettled) return;
    const { socket, headersSent } = reply.raw;
    // Behind others of a pipeline: they are the ones to be asked.
    const isAsked = socket === null || this.probe();
    const nextMs = WAITS_MS[this.count++];
    if (nextMs !== undefined) this.wait(nextMs);
    else if (!isAsked) socket?.end();
    else if (!headersSent) this.wait(WAIT_FOR_HEAD_MS);
  }

  /** False when nothing can be written now, and nothing was since the last time. */
  private probe(): boolean {
    const { record, reply, answer } = this;
    if (record.isComplete) {
      answer.finish();
      return true;
    }
    if (reply.raw.headersSent) {
      const hasFlowed = record.responseBytes !== this.bytes;
      const isAsked = answer.keepAlive();
      this.bytes = record.responseBytes;
      return isAsked || hasFlowed;
    }
    const { httpVersionMajor, httpVersionMinor } = reply.request.raw;
    if (httpVersionMajor === 1 && httpVersionMinor === 0) return false;
    reply.raw.writeProcessing();
    return true;
  }
}
