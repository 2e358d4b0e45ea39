import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';
import type { RequestRecord } from '@app/journal';
import type { ModelPrice } from '@app/models';
import { errors } from '@app/protocol';
import type { Clock } from '@app/runtime';
import type { AnswerSink, Forwarding, Upstream } from '@app/upstreams';
import type { Lifecycle } from '../health/lifecycle.js';
import type { Answer, ClientSide } from './answer.js';
import { EventAnswer } from './event-answer.js';
import { JsonAnswer } from './json-answer.js';
import { answeredHeaders } from './passed-headers.js';
import { isTimeout, upstreamFailure } from './upstream-refusal.js';

export interface PumpOptions {
  requestedModel: string;
  isStream: boolean;
  price: ModelPrice | null;
  clock: Clock;
  lifecycle: Lifecycle;
}

const BROKE_OFF = 'The model provider broke off the answer. Try again.';
const TIMED_OUT = 'The model provider fell silent in the middle of the answer. Try again.';
const SHUT_DOWN = 'This gateway is shutting down. Send the request again.';

/** Moves one answer from the upstream to the client, with backpressure, and lets go of the upstream when the client leaves. */
export class ResponsePump implements AnswerSink, ClientSide {
  private readonly response: ServerResponse;
  private forwarding: Forwarding | null = null;
  private resolve: () => void = () => undefined;
  private reject: (error: Error) => void = () => undefined;
  private status = 0;
  private headers: IncomingHttpHeaders = {};
  private answer: Answer | null = null;
  private isDone = false;

  constructor(
    private readonly record: RequestRecord,
    private readonly reply: FastifyReply,
    private readonly options: PumpOptions,
  ) {
    this.response = reply.raw;
  }

  /**
   * Resolves when the answer's head is written, or the client has left.
   *
   * @throws GatewayError while nothing has been written
   */
  run(connect: (sink: AnswerSink) => Forwarding): Promise<void> {
    return new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
      const forwarding = connect(this);
      this.forwarding = forwarding;
      this.options.lifecycle.opened(this);
      this.response.on('drain', () => forwarding.resume());
      this.response.once('close', () => this.onClientClose());
      forwarding.start();
    });
  }

  /** Ends a running answer because the process ends. */
  shutDown(): void {
    if (this.isDone) return;
    this.record.cut = 'shutdown';
    if (this.isHeadSent) this.answer?.breakOff(SHUT_DOWN);
    else this.fail(errors.shuttingDown());
  }

  onAttempt(upstream: Upstream): void {
    this.record.attempts++;
    this.record.upstreamId = upstream.id;
    this.record.upstreamName = upstream.name;
  }

  onHead(status: number, headers: IncomingHttpHeaders): void {
    if (this.isDone) return;
    this.status = status;
    this.headers = headers;
    const { record, options } = this;
    record.upstreamStatus = status;
    const requestId = headers['x-request-id'];
    if (typeof requestId === 'string') record.upstreamRequestId = requestId;
    const encoding = headers['content-encoding'] ?? 'identity';
    if (encoding !== 'identity') {
      // We asked for identity: compressed events break Codex, and hide their usage.
      record.cut = 'upstream';
      return this.fail(errors.upstreamFailed(`an answer in content-encoding ${encoding}, which was not asked for`));
    }
    const { requestedModel, price } = options;
    const context = { client: this, record, requestedModel, price, status, headers };
    const type = headers['content-type']?.toLowerCase() ?? '';
    const isEventStream = type.startsWith('text/event-stream') || (type === '' && options.isStream);
    this.answer = status < 300 && isEventStream ? new EventAnswer(context) : new JsonAnswer(context);
  }

  onData(chunk: Buffer): boolean {
    return this.isDone || !this.answer || this.answer.push(chunk);
  }

  onEnd(): void {
    if (!this.isDone) this.answer?.end();
  }

  onError(error: Error & { code?: string }, wasSent: boolean): void {
    if (this.isDone) return;
    if (wasSent) this.record.cut = isTimeout(error) ? 'timeout' : 'upstream';
    this.record.errorMessage ??= `${error.code ?? error.name}: ${error.message}`;
    if (this.isHeadSent) this.answer?.breakOff(isTimeout(error) ? TIMED_OUT : BROKE_OFF);
    else this.fail(upstreamFailure(error));
  }

  get isHeadSent(): boolean {
    return this.response.headersSent;
  }

  get needsDrain(): boolean {
    return this.response.writableNeedDrain;
  }

  writeHead(headers: readonly string[]): void {
    const { record, options } = this;
    const answer = { requestId: record.publicId, requestedModel: options.requestedModel };
    this.response.writeHead(this.status, answeredHeaders(this.headers, answer).concat(headers));
    // Only now: a head that Node refuses must still be answered by the error filter.
    this.reply.hijack();
    record.firstByteMs = options.clock.monotonic() - record.startedMonotonicMs;
    this.resolve();
  }

  write(bytes: Buffer): boolean {
    this.record.responseBytes += bytes.length;
    return this.response.write(bytes);
  }

  end(lastBytes?: Buffer): void {
    this.isDone = true;
    if (lastBytes) this.record.responseBytes += lastBytes.length;
    this.response.end(lastBytes);
    this.forwarding?.hangUp();
  }

  destroy(): void {
    this.isDone = true;
    this.response.destroy();
  }

  fail(error: Error): void {
    this.isDone = true;
    this.forwarding?.hangUp();
    this.reject(error);
  }

  private onClientClose(): void {
    this.options.lifecycle.closed(this);
    this.resolve();
    if (this.isDone) return;
    this.isDone = true;
    this.forwarding?.hangUp();
  }
}
