import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import { type ResponseCall, rewriteCall } from '@app/protocol';
import type { Candidate, Upstream } from './upstream.js';

/** A call on its way to an upstream. */
export interface ForwardedCall {
  readonly call: ResponseCall;
  /** Appended to the upstream's base path. */
  readonly route: string;
  /** Names and values in turn, without authorization. */
  readonly headers: readonly string[];
  readonly candidates: readonly Candidate[];
}

/** Takes the answer as it comes. After `onError` or `onEnd` nothing follows. */
export interface AnswerSink {
  onAttempt(upstream: Upstream): void;
  onHead(status: number, headers: IncomingHttpHeaders): void;
  /** Returns false to hold the upstream back until `resume()`. */
  onData(chunk: Buffer): boolean;
  onEnd(): void;
  /** All candidates have failed, or the answer broke off. `wasSent`: an upstream has got the request. `error.code` is undici's or Node's. */
  onError(error: Error & { code?: string }, wasSent: boolean): void;
}

/** The reason given to undici when we hang up; it never reaches the sink. */
const HUNG_UP = new Error('the gateway hung up');

/**
 * Sends a call to the first candidate that can be reached and streams the answer into the sink, with backpressure. Only a
 * failure to connect moves on to the next candidate: once bytes were sent the upstream may be at work, and a second try
 * would be paid for twice.
 */
export class Forwarding implements Dispatcher.DispatchHandler {
  private controller: Dispatcher.DispatchController | null = null;
  private attempt = -1;
  private isHungUp = false;

  constructor(
    private readonly forwarded: ForwardedCall,
    private readonly sink: AnswerSink,
    private readonly monotonicNow: () => number,
  ) {}

  /** @throws nothing: every failure reaches the sink */
  start(): void {
    this.tryNext(null);
  }

  /** Lets the upstream go on after `onData` returned false. */
  resume(): void {
    this.controller?.resume();
  }

  /** Closes the upstream's connection; the sink hears nothing more. */
  hangUp(): void {
    this.isHungUp = true;
    this.controller?.abort(HUNG_UP);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    // The client may have left while the connection was being made.
    if (this.isHungUp) controller.abort(HUNG_UP);
    else this.current?.upstream.health.noteReached();
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (status >= 200) this.sink.onHead(status, headers);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.isHungUp && !this.sink.onData(chunk)) controller.pause();
  }

  onResponseEnd(): void {
    if (!this.isHungUp) this.sink.onEnd();
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    if (this.isHungUp) return;
    // Without a controller the request never reached a socket: nothing was sent.
    if (this.controller === null) this.tryNext(error);
    else this.sink.onError(error, true);
  }

  private get current(): Candidate | undefined {
    return this.forwarded.candidates[this.attempt];
  }

  private tryNext(failure: Error | null): void {
    if (failure) this.current?.upstream.health.noteUnreachable(this.monotonicNow());
    this.attempt++;
    const candidate = this.current;
    if (!candidate) {
      this.sink.onError(failure ?? new Error('no candidate'), false);
      return;
    }
    const { upstream } = candidate;
    const { call, route, headers } = this.forwarded;
    this.sink.onAttempt(upstream);
    try {
      upstream.pool.dispatch(
        {
          method: 'POST',
          path: upstream.path + route,
          headers: upstream.authorization ? [...headers, 'authorization', upstream.authorization] : [...headers],
          body: rewriteCall(call, { model: candidate.upstreamModel, storeFalse: upstream.kind === 'codex' }),
        },
        this,
      );
    } catch (error) {
      // A pool that was closed by a change of configuration refuses by throwing.
      this.onResponseError(null as never, error as Error);
    }
  }
}
