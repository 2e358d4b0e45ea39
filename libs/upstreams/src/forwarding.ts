import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import { type AttemptFailure, type AttemptReport, beginReport } from './attempt-failure.js';
import type { Routing } from './routing.js';
import type { Candidate, Upstream } from './upstream.js';

/** A call on its way to an upstream. */
export interface ForwardedCall {
  readonly method: 'POST' | 'GET' | 'DELETE';
  /** Appended to the upstream's base path; with its query. */
  readonly route: string;
  /** In the order in which they are to be tried; not empty. */
  readonly candidates: readonly Candidate[];
  /** Names and values in turn, without authorization. */
  headersFor(upstream: Upstream): string[];
  bodyFor(candidate: Candidate): Buffer | null;
}

/** Takes the answer as it comes. After `onEnd` or `onError` nothing follows from this attempt. */
export interface AnswerSink {
  onHead(status: number, headers: IncomingHttpHeaders): void;
  /** Returns false to hold the upstream back until `resume()`. */
  onData(chunk: Buffer): boolean;
  onEnd(): void;
  /** The transport failed. `wasSent`: the upstream has got the request. `error.code` is undici's or Node's. */
  onError(error: TransportError, wasSent: boolean): void;
}

export type TransportError = Error & { code?: string; socket?: { bytesRead?: number } };

/** How a call may be tried again, as long as the client has seen nothing of an answer. */
const ATTEMPTS_MAX = 4;
const NEW_ATTEMPTS_WITHIN_MS = 60_000;

/** The reason given to undici when we hang up; it never reaches the sink. */
const HUNG_UP = new Error('the gateway hung up');

/** Tries a call's candidates one after the other, on the sink's word, and tells their health how each try went. */
export class Forwarding {
  /** Every try, in order; the last is the one whose answer the sink gets. */
  readonly attempts: AttemptReport[] = [];
  private readonly startedAtMs: number;
  private candidateIndex = -1;
  private current: Attempt | null = null;
  private hasRepeated = false;

  constructor(
    private readonly call: ForwardedCall,
    private readonly sink: AnswerSink,
    private readonly routing: Routing,
    private readonly monotonicNow: () => number,
  ) {
    this.startedAtMs = monotonicNow();
  }

  /** The upstream that is being tried, or was tried last. */
  get upstream(): Upstream | undefined {
    return this.call.candidates[Math.max(0, this.candidateIndex)]?.upstream;
  }

  /** Whether the upstream has got the request. */
  get wasSent(): boolean {
    return this.current?.wasSent ?? false;
  }

  /** @throws nothing: every failure reaches the sink */
  start(): void {
    this.tryCandidate(0);
  }

  /** Holds the upstream back until `resume()`, as `onData` does by returning false. */
  pause(): void {
    this.current?.pause();
  }

  /** Lets the upstream go on. */
  resume(): void {
    this.current?.resume();
  }

  /** Whether there is another upstream to ask, within what one request may try. */
  get canMoveOn(): boolean {
    return this.nextIndex() !== -1;
  }

  /** Gives up the current try and begins the next; false, with nothing begun, when there is none. */
  moveOn(failure: AttemptFailure): boolean {
    this.failed(failure);
    const next = this.nextIndex();
    if (next === -1) return false;
    this.tryCandidate(next);
    return true;
  }

  /** The current try has failed, and is let go. */
  failed(failure: AttemptFailure): void {
    this.current?.end(failure);
  }

  /** The current try has given its answer. */
  succeeded(): void {
    this.current?.end(null);
  }

  /** The answer has begun. */
  answering(): void {
    this.upstream?.health.noteAnswering();
  }

  /** Lets go of the upstream, without a word about its health; the sink hears nothing more. */
  hangUp(): void {
    this.current?.abandon();
  }

  /**
   * A connection that was kept open may be closed by the other side just as a request goes out on it. Not a byte was
   * answered, so the request is sent once more on a new connection (as every browser does; RFC 9112 §9.3.1 leaves it to
   * whoever knows that the request had no effect).
   */
  private isStaleConnection({ code, socket }: TransportError, attempt: Attempt): boolean {
    return (
      !this.hasRepeated && attempt.report.status === null && code === 'UND_ERR_SOCKET' && (socket?.bytesRead ?? 0) > 0
    );
  }

  /** Called by the current attempt only. */
  onTransportError(error: TransportError, attempt: Attempt): void {
    if (this.isStaleConnection(error, attempt)) {
      this.hasRepeated = true;
      attempt.abandon();
      this.attempts.pop();
      this.tryCandidate(this.candidateIndex);
      return;
    }
    this.sink.onError(error, attempt.wasSent);
  }

  private nextIndex(): number {
    if (this.attempts.length >= ATTEMPTS_MAX) return -1;
    if (this.monotonicNow() - this.startedAtMs > NEW_ATTEMPTS_WITHIN_MS) return -1;
    for (let index = this.candidateIndex + 1; index < this.call.candidates.length; index++) {
      const candidate = this.call.candidates[index];
      if (candidate && this.routing.isUsable(candidate)) return index;
    }
    return -1;
  }

  private tryCandidate(index: number): void {
    this.candidateIndex = index;
    const candidate = this.call.candidates[index] as Candidate;
    const attempt = new Attempt(candidate.upstream, this, this.sink, this.monotonicNow);
    this.current = attempt;
    this.attempts.push(attempt.report);
    const { upstream } = candidate;
    const headers = this.call.headersFor(upstream);
    if (upstream.authorization) headers.push('authorization', upstream.authorization);
    const { method, route } = this.call;
    try {
      const body = this.call.bodyFor(candidate);
      const path = upstream.path + route;
      upstream.pool.dispatch({ origin: upstream.origin, method, path, headers, body }, attempt);
      attempt.noteDispatched();
    } catch (error) {
      // A pool that was closed by a change of configuration refuses by throwing.
      attempt.onResponseError(null, error as TransportError);
    }
  }
}

/** One try of one upstream. What still comes from it after its end is dropped. */
class Attempt implements Dispatcher.DispatchHandler {
  readonly report: AttemptReport;
  wasSent = false;
  private controller: Dispatcher.DispatchController | null = null;
  private isOver = false;
  private isWaiting = false;
  private readonly startedAtMs: number;

  constructor(
    private readonly upstream: Upstream,
    private readonly forwarding: Forwarding,
    private readonly sink: AnswerSink,
    private readonly monotonicNow: () => number,
  ) {
    this.startedAtMs = monotonicNow();
    this.report = beginReport(upstream);
    upstream.health.noteStarted(this.startedAtMs);
  }

  /** Called behind the dispatch: one that has not gone out by then waits for a connection. */
  noteDispatched(): void {
    this.isWaiting = !this.wasSent;
  }

  pause(): void {
    this.controller?.pause();
  }

  resume(): void {
    this.controller?.resume();
  }

  /** null: it has answered. */
  end(failure: AttemptFailure | null): void {
    if (this.isOver) return;
    const nowMs = this.monotonicNow();
    const { health, coolDownMsMax } = this.upstream;
    this.report.problem = failure?.problem ?? null;
    if (!failure) health.noteSuccess(nowMs);
    else {
      if (failure.pauseMs !== null && coolDownMsMax > 0) {
        health.noteCoolDown(nowMs, failure.problem, Math.min(failure.pauseMs, coolDownMsMax));
      }
      if (failure.isFault) health.noteFailure(nowMs, failure.problem, failure.kind === 'unreachable');
    }
    this.abandon();
  }

  abandon(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.report.durationMs = this.monotonicNow() - this.startedAtMs;
    this.upstream.health.noteEnded();
    this.controller?.abort(HUNG_UP);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    // The client may have left while the connection was being made.
    if (this.isOver) return controller.abort(HUNG_UP);
    this.wasSent = true;
    this.report.sentMs = this.monotonicNow() - this.startedAtMs;
    // One that had to wait goes out on a connection that was made for it, or on one that was given back meanwhile.
    if (this.isWaiting) this.report.connection = this.upstream.pool.takeNewest();
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    // Views of what the socket has read, 64 KB of a fast stream: nobody needs them for as long as it runs.
    controller.rawHeaders = null;
    if (status < 200 || this.isOver) return;
    this.report.status = status;
    this.report.firstByteMs = this.monotonicNow() - this.startedAtMs;
    this.report.headers = headers;
    this.sink.onHead(status, headers);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.isOver && !this.sink.onData(chunk)) controller.pause();
  }

  onResponseEnd(): void {
    if (!this.isOver) this.sink.onEnd();
  }

  onResponseError(_: Dispatcher.DispatchController | null, error: TransportError): void {
    if (!this.isOver) this.forwarding.onTransportError(error, this);
  }
}
