import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';
import type { RequestRecord } from '@app/journal';
import type { ModelPrice } from '@app/models';
import { errors, EventStreamTap, readResponseSummary, responseFailedEvent } from '@app/protocol';
import type { Clock } from '@app/runtime';
import type { AnswerSink, Forwarding, Upstream } from '@app/upstreams';
import { answeredHeaders } from './passed-headers.js';
import { isClientMistake, upstreamFailure, upstreamRefusal } from './upstream-refusal.js';

export interface PumpOptions {
  requestedModel: string;
  isStream: boolean;
  price: ModelPrice | null;
  clock: Clock;
}

/** Part of an event that is held back until its rest is there: beyond it the part goes out as it is. */
const HELD_BYTES_MAX = 64 * 1024;
/** A JSON answer up to this size is held until it is whole, so that one that breaks off becomes a clean error. */
const COLLECTED_BYTES_MAX = 8 * 1024 * 1024;
const BROKE_OFF = 'The model provider broke off the answer. Try again.';
const TIMED_OUT = 'The model provider fell silent in the middle of the answer. Try again.';
const EVENT_STREAM = [
  'content-type',
  'text/event-stream; charset=utf-8',
  'cache-control',
  'no-cache, no-transform',
  'x-accel-buffering',
  'no',
] as const;
const EMPTY = Buffer.alloc(0);

/**
 * Moves one answer from the upstream to the client: events pass through byte for byte and whole, with backpressure, while a
 * tap notes how the response ends. The record is settled when the terminal event passes, not at the end of the bytes: Codex
 * hangs up in between.
 */
export class ResponsePump implements AnswerSink {
  private readonly response: ServerResponse;
  private forwarding: Forwarding | null = null;
  private resolve: () => void = () => undefined;
  private reject: (error: Error) => void = () => undefined;
  private status = 0;
  private headers: IncomingHttpHeaders = {};
  /** Set while the answer is a stream of events. */
  private tap: EventStreamTap | null = null;
  /** Chunks of the same read, not yet looked at: many small writes of an upstream go on as one. */
  private batch: Buffer[] = [];
  private held: Buffer = EMPTY;
  /** Bytes of an unfinished event have gone out. */
  private isEventOpen = false;
  private collected: Buffer[] | null = null;
  private collectedBytes = 0;
  private isDone = false;

  constructor(
    private readonly record: RequestRecord,
    private readonly reply: FastifyReply,
    private readonly options: PumpOptions,
  ) {
    this.response = reply.raw;
  }

  /** @throws GatewayError while nothing has been written */
  run(connect: (sink: AnswerSink) => Forwarding): Promise<void> {
    return new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
      const forwarding = connect(this);
      this.forwarding = forwarding;
      this.response.on('drain', () => forwarding.resume());
      this.response.once('close', () => this.onClientClose());
      forwarding.start();
    });
  }

  onAttempt(upstream: Upstream): void {
    this.record.attempts++;
    this.record.upstreamId = upstream.id;
    this.record.upstreamName = upstream.name;
  }

  onHead(status: number, headers: IncomingHttpHeaders): void {
    this.status = status;
    this.headers = headers;
    this.record.upstreamStatus = status;
    const requestId = headers['x-request-id'];
    if (typeof requestId === 'string') this.record.upstreamRequestId = requestId;
    const type = headers['content-type'] ?? '';
    const isEventStream = type.startsWith('text/event-stream') || (type === '' && this.options.isStream);
    if (status < 300 && isEventStream) this.tap = new EventStreamTap();
    else this.collected = [];
  }

  onData(chunk: Buffer): boolean {
    if (this.isDone) return true;
    if (this.tap) {
      if (this.batch.push(chunk) === 1) process.nextTick(flushBatch, this);
      return !this.response.writableNeedDrain;
    }
    this.collectedBytes += chunk.length;
    if (this.collected) {
      this.collected.push(chunk);
      if (this.collectedBytes <= COLLECTED_BYTES_MAX) return true;
      return this.streamWhatWasCollected(this.collected);
    }
    return this.write(chunk);
  }

  onEnd(): void {
    this.flush();
    if (this.isDone) return;
    if (this.tap) this.endEvents(this.tap);
    else if (this.collected) this.answerCollected(Buffer.concat(this.collected));
    else this.end();
  }

  onError(error: Error & { code?: string }, wasSent: boolean): void {
    this.flush();
    if (this.isDone) return;
    const isTimeout = error.code === 'UND_ERR_BODY_TIMEOUT' || error.code === 'UND_ERR_HEADERS_TIMEOUT';
    if (wasSent) this.record.cut = isTimeout ? 'timeout' : 'upstream';
    this.record.errorMessage ??= `${error.code ?? error.name}: ${error.message}`;
    if (!this.response.headersSent) this.fail(upstreamFailure(error));
    else if (this.tap) this.breakOff(this.tap, isTimeout ? TIMED_OUT : BROKE_OFF);
    // A body of announced length cannot be mended: the client must see that it is short.
    else this.response.destroy();
  }

  /** Passes on what has come since the last time; called at the end of each read of the upstream's socket. */
  flush(): void {
    const { batch, tap } = this;
    const [first] = batch;
    if (!tap || !first || this.isDone) return;
    const chunk = batch.length === 1 ? first : Buffer.concat(batch);
    this.batch = [];
    this.passEvents(tap, chunk);
  }

  private passEvents(tap: EventStreamTap, chunk: Buffer): boolean {
    const whole = tap.push(chunk);
    if (tap.terminal && !this.record.isComplete) this.settle(tap);
    this.record.responseId ??= tap.responseId;
    if (whole === chunk.length && this.held.length === 0) {
      this.isEventOpen = false;
      return this.write(chunk);
    }
    // Only whole events go out: should the upstream break off, the client's parser stands between two events.
    const out = whole > 0 ? joined(this.held, chunk.subarray(0, whole)) : EMPTY;
    this.held = whole > 0 ? chunk.subarray(whole) : joined(this.held, chunk);
    let canTakeMore = true;
    if (out.length > 0) {
      this.isEventOpen = false;
      canTakeMore = this.write(out);
    }
    if (this.held.length > HELD_BYTES_MAX || this.isEventOpen) {
      this.isEventOpen = true;
      canTakeMore = this.write(this.held);
      this.held = EMPTY;
    }
    return canTakeMore;
  }

  private endEvents(tap: EventStreamTap): void {
    tap.end();
    if (tap.terminal) {
      if (!this.record.isComplete) this.settle(tap);
      if (this.held.length > 0) this.write(this.held);
      this.end();
      return;
    }
    this.record.cut = 'upstream';
    this.record.errorMessage ??= 'the stream ended without a terminal event';
    if (this.response.headersSent) this.breakOff(tap, BROKE_OFF);
    else this.fail(errors.upstreamFailed('the stream ended before its first event'));
  }

  private settle(tap: EventStreamTap): void {
    const { terminal } = tap;
    if (!terminal) return;
    const status = terminal.type === 'error' ? 'failed' : (terminal.status ?? terminal.type.slice('response.'.length));
    const summary = { ...terminal, id: terminal.id ?? tap.responseId, status };
    this.record.settle(summary, 'terminal_event', this.options.price);
  }

  /** Ends a stream that lost its upstream with an event that says so: never a silent close. */
  private breakOff(tap: EventStreamTap, message: string): void {
    if (this.record.isComplete) return this.end();
    const { record, options } = this;
    record.errorCode = 'server_error';
    const event = responseFailedEvent({
      responseId: tap.responseId ?? `resp_${record.id.replaceAll('-', '')}`,
      sequenceNumber: tap.nextSequenceNumber(),
      model: options.requestedModel,
      createdAtSeconds: Math.floor(record.startedAtMs / 1000),
      message,
    });
    this.write(this.isEventOpen ? joined(Buffer.from('\n\n'), event) : event);
    this.end();
  }

  private answerCollected(body: Buffer): void {
    const { record, status, headers } = this;
    const isJson = /^application\/([\w.-]+\+)?json\b/.test(headers['content-type'] ?? '');
    const summary = isJson ? readResponseSummary(body) : null;
    if (status >= 300 && !(summary && isClientMistake(status))) {
      const refusal = upstreamRefusal(status, headers, body, isJson);
      record.errorMessage ??= refusal.forLog;
      return this.fail(refusal.error);
    }
    if (!summary) {
      record.errorMessage ??= `a ${status} answer that is not JSON (${headers['content-type'] ?? 'no content-type'})`;
      return this.fail(errors.upstreamFailed(record.errorMessage));
    }
    if (status < 300) record.settle(summary, 'response_body', this.options.price);
    else {
      record.errorCode = summary.errorCode;
      record.errorMessage = summary.errorMessage;
    }
    this.writeHead(['content-length', String(body.length)]);
    record.responseBytes = body.length;
    this.isDone = true;
    this.response.end(body);
  }

  /** A JSON answer too large to hold: it goes out as it comes, its usage stays unknown. */
  private streamWhatWasCollected(collected: readonly Buffer[]): boolean {
    this.collected = null;
    if (this.status >= 300) {
      this.forwarding?.hangUp();
      this.fail(errors.upstreamFailed(`a ${this.status} answer of more than ${COLLECTED_BYTES_MAX} bytes`));
      return true;
    }
    const length = this.headers['content-length'];
    this.writeHead(typeof length === 'string' ? ['content-length', length] : []);
    return this.write(Buffer.concat(collected));
  }

  /** @param extra names and values in turn */
  private writeHead(extra: readonly string[]): void {
    const { record, options } = this;
    const answer = { requestId: record.publicId, requestedModel: options.requestedModel, isStream: this.tap !== null };
    this.reply.hijack();
    this.response.writeHead(this.status, answeredHeaders(this.headers, answer).concat(extra));
    record.firstByteMs = options.clock.monotonic() - record.startedMonotonicMs;
    this.resolve();
  }

  private write(bytes: Buffer): boolean {
    if (!this.response.headersSent) {
      this.writeHead(this.tap ? EVENT_STREAM : []);
    }
    this.record.responseBytes += bytes.length;
    return this.response.write(bytes);
  }

  private end(): void {
    this.isDone = true;
    this.response.end();
  }

  private fail(error: Error): void {
    this.isDone = true;
    this.reject(error);
  }

  private onClientClose(): void {
    this.resolve();
    if (this.isDone) return;
    this.isDone = true;
    this.forwarding?.hangUp();
  }
}

function flushBatch(pump: ResponsePump): void {
  pump.flush();
}

function joined(first: Buffer, second: Buffer): Buffer {
  return first.length === 0 ? second : Buffer.concat([first, second]);
}
