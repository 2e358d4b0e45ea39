import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';
import type { Answering, RequestRecord } from '@app/journal';
import { errors, GatewayError, responseFailedEvent } from '@app/protocol';
import type { RunningAnswer } from '../health/lifecycle.js';
import type { AnswerKeeper } from '../responses/answer-keeper.js';
import { DepartureProbe, type ProbedAnswer } from '../responses/client-departure.js';
import { COMMENT, KEEP_ALIVE_EVENT } from '../responses/event-answer.js';
import { EVENT_STREAM_HEAD } from '../responses/event-stream-head.js';
import { answeredHeaders } from '../responses/passed-headers.js';
import type { FinalAnswer } from './final-answer.js';

export interface CompactionReplyOptions {
  readonly requestedModel: string;
  readonly isStream: boolean;
  readonly isCodex: boolean;
  /** Go on to the end when the client has left. */
  readonly isDrained: boolean;
}

/** The client's side of a compaction: everything is held until it is whole, and the connection kept open meanwhile. */
export class CompactionReply implements Answering, RunningAnswer, ProbedAnswer {
  private readonly response: ServerResponse;
  private readonly controller = new AbortController();
  private departure: DepartureProbe | null = null;
  private quietSinceMs: number;
  private isDone = false;
  /** Since when the client has read nothing of what was written; null: nothing is waiting for it. */
  private stuckSinceMs: number | null = null;
  private unreadBytes = 0;
  /** Why the gateway has ended it itself. */
  private cutOffError: GatewayError | null = null;
  /** The client has left, and the work is done to its end all the same. */
  private isDetached = false;
  private onDone: (() => void) | null = null;

  constructor(
    private readonly record: RequestRecord,
    private readonly reply: FastifyReply,
    private readonly keeper: AnswerKeeper,
    private readonly options: CompactionReplyOptions,
  ) {
    this.response = reply.raw;
    this.quietSinceMs = keeper.nowMs;
  }

  /** Aborted when nobody waits for the answer any more. */
  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /**
   * Answers with what the work comes to; null: there is nobody to be answered.
   *
   * @throws GatewayError while nothing has been written
   */
  async run(work: (signal: AbortSignal) => Promise<FinalAnswer | null>): Promise<void> {
    const { record, keeper } = this;
    record.answering = this;
    keeper.opened(this);
    if (this.reply.request.raw.socket.readableEnded) this.onClientSideClosed();
    try {
      const answer = await work(this.signal);
      if (answer && !this.response.destroyed && !this.isDetached) this.send(answer);
      else if (this.cutOffError) throw this.cutOffError;
    } catch (error) {
      if (!this.response.headersSent || this.response.destroyed) throw error;
      this.breakOff(error);
    } finally {
      this.isDone = true;
      // What was written may still have to be read: until the response closes.
      if (!this.response.writableEnded || this.response.destroyed) keeper.closed(this);
      this.onDone?.();
    }
  }

  cutOff(by: 'shutdown' | 'operator'): boolean {
    if (this.isDone) return false;
    this.cutOffError = by === 'shutdown' ? errors.shuttingDown() : errors.abortedByOperator();
    if (by === 'operator') this.record.cut = by;
    else this.record.cut ??= by;
    this.controller.abort();
    return true;
  }

  tick(nowMs: number): void {
    const { keeper, options } = this;
    if (this.hasStalled(nowMs)) return this.onClientStalled();
    if (this.isDone || this.isDetached || !options.isStream) return;
    if (nowMs - this.quietSinceMs < keeper.keepAliveMs) return;
    this.quietSinceMs = nowMs;
    if (!this.response.headersSent) this.writeHead(200, {}, EVENT_STREAM_HEAD);
    if (this.keepAlive()) this.record.keepAlives++;
  }

  onClientSideClosed(): void {
    this.departure ??= new DepartureProbe(this.reply, this.record, this);
    this.departure.start();
  }

  onResponseClosed(): Promise<void> | null {
    this.departure?.end();
    if (this.isDone) {
      this.keeper.closed(this);
      return null;
    }
    if (this.options.isDrained && this.keeper.mayDrain()) {
      this.isDetached = true;
      const limit = setTimeout(() => this.controller.abort(), this.keeper.drainMsMax);
      return new Promise((resolve) => {
        this.onDone = () => {
          clearTimeout(limit);
          this.keeper.drainEnded();
          this.record.clientLeftAction = this.signal.aborted ? 'drain_capped' : 'drained';
          resolve();
        };
      });
    }
    if (this.record.attempts.length > 0) this.record.clientLeftAction = 'cancelled';
    // The record closes when what was used until now has been taken down.
    return new Promise((resolve) => {
      this.onDone = resolve;
      this.controller.abort();
    });
  }

  get isSettled(): boolean {
    return this.isDone || this.isDetached;
  }

  keepAlive(): boolean {
    if (this.isDone || !this.response.headersSent || !this.options.isStream) return false;
    // Codex takes any event from the beginning on; an SDK wants to see the response's first.
    return this.write(this.options.isCodex ? KEEP_ALIVE_EVENT : COMMENT);
  }

  finish(): void {
    this.response.end();
  }

  private send({ status, contentType, bytes, headers }: FinalAnswer): void {
    const isStream = contentType.startsWith('text/event-stream');
    const head = isStream ? EVENT_STREAM_HEAD : ['content-type', contentType, 'content-length', String(bytes.length)];
    if (!this.response.headersSent) this.writeHead(status, headers, head);
    else if (status >= 300) return this.endFailed(this.record.errorCode ?? 'invalid_request', this.record.errorMessage);
    this.end(bytes);
  }

  private end(bytes: Buffer): void {
    this.record.responseBytes += bytes.length;
    this.response.end(bytes);
  }

  private hasStalled(nowMs: number): boolean {
    const { writableLength } = this.response;
    if (writableLength === 0 || writableLength !== this.unreadBytes) this.stuckSinceMs = nowMs;
    this.unreadBytes = writableLength;
    return writableLength > 0 && nowMs - (this.stuckSinceMs ?? nowMs) > this.keeper.stalledClientMs;
  }

  private onClientStalled(): void {
    this.record.errorCode = 'client_stalled';
    this.record.errorMessage = 'the client read nothing for too long';
    this.response.destroy();
  }

  private writeHead(status: number, upstream: IncomingHttpHeaders, head: readonly string[]): void {
    const { record, options, keeper } = this;
    const answer = { requestId: record.publicId, requestedModel: options.requestedModel };
    this.response.writeHead(status, answeredHeaders(upstream, answer).concat(record.answerHeaders, head));
    this.reply.hijack();
    record.firstByteMs = keeper.clock.monotonic() - record.startedMonotonicMs;
  }

  private write(bytes: Buffer): boolean {
    this.record.responseBytes += bytes.length;
    this.response.write(bytes);
    return true;
  }

  /** The stream was opened to keep it: what went wrong is told by an event. */
  private breakOff(error: unknown): void {
    const told = error instanceof GatewayError ? error : errors.internal(error);
    const { record } = this;
    record.errorCode ??= told.code;
    record.errorMessage ??= String(told.options.cause ?? told.message);
    this.endFailed(told.code, told.message);
  }

  /** Whoever reads a stream is told by its last event. */
  private endFailed(code: string, message: string | null): void {
    const { record } = this;
    record.noteRefused();
    record.noteEnding();
    const event = responseFailedEvent({
      responseId: record.ownResponseId,
      sequenceNumber: 0,
      model: this.options.requestedModel,
      createdAtSeconds: Math.floor(record.startedAtMs / 1000),
      code,
      message: message ?? 'The model provider refused the request.',
    });
    this.end(event);
  }
}
