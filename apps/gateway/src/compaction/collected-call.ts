import type { IncomingHttpHeaders } from 'node:http';
import { CollectedResponse, type GatewayError, readResponseSummary, type ResponseSummary } from '@app/protocol';
import type { AnswerSink, AttemptFailure, AttemptReport, Candidate, TransportError, Upstream } from '@app/upstreams';
import { type ForwardedCall, Forwarding, type Routing } from '@app/upstreams';
import {
  endedEarly,
  failedAtOnce,
  finalError,
  refused,
  refusedWith200,
  tookTooLong,
  transportFailure,
  unusable,
} from '../responses/attempt-failures.js';
import { isJsonType } from '../responses/json-answer.js';

/** An answer is held until it is whole: a compaction is never longer. */
const HELD_BYTES_MAX = 64 * 1024 * 1024;
/** How long an upstream may keep the connection open behind the terminal event, so that it can be used again. */
const LINGER_MS = 250;
/** Statuses by which an upstream says that the request is not for it; what they say is for whoever made the call. */
const REFUSALS = new Set([400, 404, 405, 409, 413, 415, 422, 501]);

/** A response object, whole. */
export interface CollectedResponseAnswer {
  readonly kind: 'answer';
  readonly candidate: Candidate;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** As the upstream sent it. */
  readonly bytes: Buffer;
  readonly isEventStream: boolean;
  /** The response object. */
  readonly response: Buffer;
  readonly summary: ResponseSummary;
  /** Of the call. */
  readonly bodyBytes: number;
  readonly eventCount: number;
}

/** The upstream did not take the call. */
export interface CollectedRefusal {
  readonly kind: 'refusal';
  readonly candidate: Candidate;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
  /** null when it was not told in JSON. */
  readonly summary: ResponseSummary | null;
}

/** No upstream has answered. */
export interface CollectedFailure {
  readonly kind: 'failure';
  readonly error: GatewayError;
  readonly failure: AttemptFailure;
  /** What had come of the answer that failed last. */
  readonly eventCount: number;
}

/** The caller has given it up. */
export interface CollectedAbort {
  readonly kind: 'aborted';
  /** What had come until then; null: nothing had been sent. */
  readonly eventCount: number | null;
}

/** What came of a call that is answered to the gateway itself. */
export type CollectedAnswer = CollectedResponseAnswer | CollectedRefusal | CollectedFailure | CollectedAbort;

export interface CollectedCallContext {
  readonly routing: Routing;
  monotonicNow(): number;
  /** Called with the upstream that is asked, and the reports of all tries of the call, which go on. */
  onTry(upstream: Upstream, attempts: readonly AttemptReport[]): void;
}

/** Makes a call, with other upstreams in place of one that fails, and holds its answer until it is whole. Never throws. */
export function collectCall(
  call: ForwardedCall,
  bodyBytes: number,
  signal: AbortSignal,
  context: CollectedCallContext,
): Promise<CollectedAnswer> {
  return new Promise((resolve) => new CollectedCall(call, bodyBytes, signal, context, resolve).start());
}

class CollectedCall implements AnswerSink {
  private readonly forwarding: Forwarding;
  private readonly failures: AttemptFailure[] = [];
  private status = 0;
  private headers: IncomingHttpHeaders = {};
  private chunks: Buffer[] = [];
  private bytes = 0;
  private collected: CollectedResponse | null = null;
  private eventCount = 0;
  private timer: NodeJS.Timeout | null = null;
  private isOver = false;

  constructor(
    private readonly call: ForwardedCall,
    private readonly bodyBytes: number,
    private readonly signal: AbortSignal,
    private readonly context: CollectedCallContext,
    private readonly resolve: (answer: CollectedAnswer) => void,
  ) {
    this.forwarding = new Forwarding(call, this, context.routing, () => context.monotonicNow());
  }

  start(): void {
    const { signal } = this;
    if (signal.aborted) return this.settle({ kind: 'aborted', eventCount: null });
    signal.addEventListener('abort', this, { once: true });
    this.forwarding.start();
    this.noteTry();
  }

  /** Of the signal. */
  handleEvent(): void {
    const { wasSent } = this.forwarding;
    const response = this.collected?.toJson();
    // It was whole already.
    if (response) return this.answer(response);
    this.forwarding.hangUp();
    this.settle({ kind: 'aborted', eventCount: wasSent ? this.eventCount : null });
  }

  onHead(status: number, headers: IncomingHttpHeaders): void {
    this.status = status;
    this.headers = headers;
    if (status < 500) this.forwarding.answering();
    const encoding = headers['content-encoding'] ?? 'identity';
    if (encoding !== 'identity') return this.fail(unusable(status, `an answer in content-encoding ${encoding}`));
    if (/^text\/event-stream\b/i.test(this.contentType)) this.collected = new CollectedResponse();
  }

  onData(chunk: Buffer): boolean {
    if (this.isOver) return true;
    this.chunks.push(chunk);
    this.bytes += chunk.length;
    if (this.bytes > HELD_BYTES_MAX) this.fail(unusable(this.status, `an answer of more than ${HELD_BYTES_MAX} bytes`));
    else if (this.collected) this.readEvents(this.collected, chunk);
    return true;
  }

  onEnd(): void {
    if (this.isOver) return;
    const { collected, status } = this;
    if (status >= 300) return this.refuse();
    if (!collected) return this.endJson();
    collected.end();
    const response = collected.toJson();
    if (response) return this.answer(response);
    const { terminal } = collected.tap;
    if (!terminal) return this.fail(endedEarly(collected.tap.lastEventType()));
    const said = `${terminal.errorCode ?? terminal.type}: ${terminal.errorMessage ?? 'no message'}`;
    this.fail(failedAtOnce(terminal, this.headers) ?? unusable(status, said));
  }

  onError(error: TransportError, wasSent: boolean): void {
    if (this.isOver) return;
    // The answer is whole: that its connection broke behind it is no loss.
    const response = this.collected?.toJson();
    if (response) this.answer(response);
    else this.fail(transportFailure(error, wasSent));
  }

  private get contentType(): string {
    return this.headers['content-type'] ?? 'no content-type';
  }

  private readEvents(collected: CollectedResponse, chunk: Buffer): void {
    collected.push(chunk);
    this.eventCount = collected.tap.eventCount;
    const response = collected.toJson();
    if (response) this.startTimer(LINGER_MS, () => this.answer(response));
  }

  private endJson(): void {
    const body = Buffer.concat(this.chunks);
    const summary = isJsonType(this.contentType) ? readResponseSummary(body) : null;
    if (!summary) return this.fail(unusable(this.status, `an answer that is not JSON (${this.contentType})`));
    if (summary.errorMessage !== null && summary.id === null) return this.fail(refusedWith200(summary, this.headers));
    this.answer(body);
  }

  private answer(response: Buffer): void {
    const terminal = this.collected?.tap.terminal ?? null;
    const failure =
      terminal?.type === 'response.failed' && !this.collected?.tap.hasContent
        ? failedAtOnce(terminal, this.headers)
        : null;
    if (failure) return this.fail(failure);
    const summary = readResponseSummary(response);
    if (!summary) return this.fail(unusable(this.status, 'a response that is not JSON'));
    const { candidate, status, headers, bodyBytes, eventCount } = this;
    this.forwarding.succeeded();
    const bytes = Buffer.concat(this.chunks);
    this.settle({
      kind: 'answer',
      candidate,
      status,
      headers,
      bodyBytes,
      eventCount,
      bytes,
      isEventStream: this.collected !== null,
      response,
      summary: { ...summary, id: summary.id ?? this.collected?.tap.responseId ?? null },
    });
  }

  private refuse(): void {
    const { candidate, status, headers } = this;
    const bytes = Buffer.concat(this.chunks);
    const isJson = /\bjson\b/i.test(this.contentType);
    if (!REFUSALS.has(status)) return this.fail(refused(status, headers, bytes, isJson));
    // That it does not take this request says nothing against its health.
    this.forwarding.succeeded();
    this.settle({
      kind: 'refusal',
      candidate,
      status,
      headers,
      bytes,
      summary: isJson ? readResponseSummary(bytes) : null,
    });
  }

  private fail(failure: AttemptFailure): void {
    if (this.isOver) return;
    this.failures.push(failure);
    const { eventCount } = this;
    this.forget();
    if (this.forwarding.moveOn(failure)) return this.noteTry();
    this.settle({ kind: 'failure', error: finalError(this.failures, failure), failure, eventCount });
  }

  /** Another upstream is asked: nothing of what this one said counts any more. */
  private forget(): void {
    if (this.timer) clearTimeout(this.timer);
    this.chunks = [];
    this.bytes = 0;
    this.eventCount = 0;
    this.collected = null;
  }

  private get candidate(): Candidate {
    const { upstream } = this.forwarding;
    return this.call.candidates.find((candidate) => candidate.upstream === upstream) as Candidate;
  }

  private noteTry(): void {
    const { upstream, attempts } = this.forwarding;
    if (!upstream) return;
    this.context.onTry(upstream, attempts);
    const { totalTimeoutMs } = upstream;
    if (totalTimeoutMs < Infinity) this.startTimer(totalTimeoutMs, () => this.fail(tookTooLong(totalTimeoutMs)));
  }

  private startTimer(ms: number, onTime: () => void): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      if (!this.isOver) onTime();
    }, ms).unref();
  }

  private settle(answer: CollectedAnswer): void {
    if (this.isOver) return;
    this.isOver = true;
    this.forget();
    this.signal.removeEventListener('abort', this);
    this.resolve(answer);
  }
}
