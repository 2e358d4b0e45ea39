import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';
import type { Answering, RequestRecord } from '@app/journal';
import type { GatewayError } from '@app/protocol';
import type { AnswerSink, AttemptFailure, Forwarding, TransportError } from '@app/upstreams';
import type { RunningAnswer } from '../health/lifecycle.js';
import type { Answer, AnswerContext, ClientSide, PumpOptions } from './answer.js';
import type { AnswerKeeper } from './answer-keeper.js';
import { cutOff, finalError, tookTooLong, transportFailure, unusable } from './attempt-failures.js';
import { DepartureProbe, type ProbedAnswer } from './client-departure.js';
import { Drain } from './drain.js';
import { EventAnswer } from './event-answer.js';
import { EventsFromJson } from './events-from-json.js';
import { isJsonType, JsonAnswer } from './json-answer.js';
import { JsonFromEvents } from './json-from-events.js';
import { type Asker, JournalGate } from './journal-gate.js';
import { answeredHeaders } from './passed-headers.js';

function nothing(): void {}

/** Moves one answer from the upstream to the client, with backpressure, and lets go of the upstream when the client leaves. */
export class ResponsePump implements AnswerSink, ClientSide, RunningAnswer, Answering, ProbedAnswer, Asker {
  private readonly response: ServerResponse;
  private readonly gate: JournalGate;
  private forwarding: Forwarding | null = null;
  private resolve: () => void = nothing;
  private reject: (error: Error) => void = nothing;
  private status = 0;
  private headers: IncomingHttpHeaders = {};
  private answer: Answer | null = null;
  /** The answer that opened the client's stream before the upstream had said anything. */
  private opener: EventAnswer | null = null;
  private readonly failures: AttemptFailure[] = [];
  private isDone = false;
  /** The client has left, and the upstream is read to its end all the same. */
  private drain: Drain | null = null;
  /** When the last byte came from the upstream, or the last sign of life went to the client. */
  private quietSinceMs: number;
  private stuckSinceMs: number | null = null;
  private departure: DepartureProbe | null = null;

  constructor(
    private readonly record: RequestRecord,
    private readonly reply: FastifyReply,
    private readonly options: PumpOptions,
    private readonly keeper: AnswerKeeper,
  ) {
    this.response = reply.raw;
    this.gate = new JournalGate(record, reply.raw, this);
    this.quietSinceMs = keeper.nowMs;
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
      const forwarding = (this.forwarding = connect(this));
      this.record.attempts = forwarding.attempts;
      this.record.answering = this;
      // What had to be done before has opened the stream already.
      if (this.isHeadSent) this.answer = this.opener = new EventAnswer(this.context);
      this.keeper.opened(this);
      this.response.on('drain', () => this.onClientReads());
      if (this.reply.request.raw.socket.readableEnded) this.onClientSideClosed();
      this.noteUpstream();
      this.keeper.asking(this.record, this.options.bodyBytes, this.options.pricing);
      this.gate.askWhenWritten();
    });
  }

  ask(): void {
    if (!this.isDone) this.forwarding?.start();
  }

  cutOff(by: 'shutdown' | 'operator'): boolean {
    const { record, isDone } = this;
    if (isDone) return false;
    // The upstream has said all that matters.
    if (record.isComplete) this.finish();
    else {
      record.cut = by;
      // That others have failed before is not the reason.
      this.failures.length = 0;
      if (by === 'operator') this.settleCut();
      this.giveUp(cutOff(by));
    }
    return true;
  }

  /** Called every second: keeps silent streams open, and ends what takes too long. */
  tick(nowMs: number): void {
    if (this.isDone) return;
    const { keeper, record } = this;
    const totalTimeoutMs = this.forwarding?.upstream?.totalTimeoutMs ?? Infinity;
    if (nowMs - record.startedMonotonicMs > totalTimeoutMs) return this.giveUp(tookTooLong(totalTimeoutMs));
    if (this.stuckSinceMs !== null && nowMs - this.stuckSinceMs > keeper.stalledClientMs) return this.onClientStalled();
    if (nowMs - this.quietSinceMs < keeper.keepAliveMs || !this.options.isStream || this.isDetached) return;
    this.quietSinceMs = nowMs;
    this.answer ??= this.opener = new EventAnswer(this.context);
    if (this.answer.keepAlive()) record.keepAlives++;
  }

  onHead(status: number, headers: IncomingHttpHeaders): void {
    if (this.isDone) return;
    this.status = status;
    this.headers = headers;
    const { record, options } = this;
    record.upstreamStatus = status;
    const requestId = headers['x-request-id'];
    if (typeof requestId === 'string') record.upstreamRequestId = requestId;
    const turnState = headers['x-codex-turn-state'];
    if (typeof turnState === 'string') this.keeper.turnStates.note(turnState, record.upstreamId);
    const encoding = headers['content-encoding'] ?? 'identity';
    if (encoding !== 'identity') {
      // We asked for identity: compressed events break Codex, and hide their usage.
      return this.fail(unusable(status, `an answer in content-encoding ${encoding}, which was not asked for`));
    }
    const type = headers['content-type']?.toLowerCase() ?? '';
    const isEventStream = type.startsWith('text/event-stream') || (type === '' && options.isStream);
    this.answer = status < 300 ? this.answerOf(isEventStream) : new JsonAnswer(this.context);
  }

  /** An upstream may answer in another way than the client asked for, because it can only do that. */
  private answerOf(isEventStream: boolean): Answer {
    const { context, options } = this;
    if (isEventStream) {
      return options.isStream ? (this.opener ?? new EventAnswer(context)) : new JsonFromEvents(context);
    }
    const isJson = isJsonType(this.headers['content-type'] ?? '');
    return options.isStream && isJson ? new EventsFromJson(context) : new JsonAnswer(context);
  }

  onData(chunk: Buffer): boolean {
    this.quietSinceMs = this.keeper.nowMs;
    this.drain?.take(chunk.length);
    return this.isDone || !this.answer || this.answer.push(chunk);
  }

  onEnd(): void {
    if (!this.isDone) this.answer?.end();
  }

  onError(error: TransportError, wasSent: boolean): void {
    if (this.isDone) return;
    const failure = transportFailure(error, wasSent);
    const ours = this.isHeadSent ? null : this.options.rule.refusal(null, error);
    this.fail(ours ? { ...failure, error: ours } : failure);
  }

  private get isDetached(): boolean {
    return this.drain !== null;
  }

  get isSettled(): boolean {
    return this.isDone || this.isDetached;
  }

  onClientSideClosed(): void {
    this.departure ??= new DepartureProbe(this.reply, this.record, this);
    this.departure.start();
  }

  keepAlive(): boolean {
    return this.answer?.keepAlive() ?? false;
  }

  finish(): void {
    this.answer?.end();
  }

  get isHeadSent(): boolean {
    return this.response.headersSent;
  }

  get needsDrain(): boolean {
    return !this.isDetached && this.response.writableNeedDrain;
  }

  get canMoveOn(): boolean {
    return !this.isHeadSent && !this.isDetached && (this.forwarding?.canMoveOn ?? false);
  }

  writeHead(headers: readonly string[]): void {
    if (this.isDetached) return;
    const { record, options, keeper } = this;
    const answer = { requestId: record.publicId, requestedModel: options.requestedModel };
    this.response.writeHead(
      this.status || 200,
      answeredHeaders(this.headers, answer).concat(record.answerHeaders, headers),
    );
    // Only now: a head that Node refuses must still be answered by the error filter.
    this.reply.hijack();
    record.firstByteMs = keeper.clock.monotonic() - record.startedMonotonicMs;
    if (this.status > 0 && this.status < 500) this.forwarding?.answering();
    this.resolve();
  }

  write(bytes: Buffer): boolean {
    if (this.isDetached) return true;
    this.record.responseBytes += bytes.length;
    const isTaken = this.gate.write(bytes);
    if (!isTaken) {
      this.stuckSinceMs ??= this.keeper.clock.monotonic();
      // Not with the next bytes only: they would have to be held as well.
      this.forwarding?.pause();
    }
    return isTaken;
  }

  end(lastBytes?: Buffer): void {
    if (this.isDone) return;
    this.isDone = true;
    this.noteAnswered();
    if (this.isDetached) return this.endDrain('drained');
    if (lastBytes) this.record.responseBytes += lastBytes.length;
    this.gate.end(lastBytes);
  }

  destroy(): void {
    this.isDone = true;
    this.response.destroy();
    this.forwarding?.hangUp();
  }

  moveOn(failure: AttemptFailure): boolean {
    if (!this.canMoveOn) return false;
    const { answer } = this;
    this.failures.push(failure);
    this.answer = null;
    if (!this.forwarding?.moveOn(failure)) {
      this.answer = answer;
      return false;
    }
    answer?.discard();
    this.noteUpstream();
    return true;
  }

  fail(failure: AttemptFailure): void {
    if (!this.isDone && !this.moveOn(failure)) this.giveUp(failure);
  }

  refuse(error: GatewayError): void {
    this.isDone = true;
    this.forwarding?.succeeded();
    this.rejectWith(error);
  }

  private rejectWith(error: GatewayError): void {
    // Whoever answers in its place waits for no journal.
    this.record.writeWaiter = null;
    this.reject(error);
  }

  private giveUp(failure: AttemptFailure): void {
    const { record } = this;
    this.forwarding?.failed(failure);
    this.failures.push(failure);
    record.errorMessage ??= failure.problem;
    if (failure.kind === 'timeout') record.cut ??= 'timeout';
    else if (failure.kind === 'broke_off' || failure.kind === 'unusable') record.cut ??= 'upstream';
    if (this.isDetached) return this.endDrain('drain_capped');
    if (this.isHeadSent) {
      if (failure.kind === 'refused') record.noteRefused();
      (this.opener ?? this.answer)?.breakOff(failure);
      return;
    }
    this.isDone = true;
    this.answer?.discard();
    this.rejectWith(finalError(this.failures, failure));
  }

  private get context(): AnswerContext {
    const { record, status, headers, options } = this;
    const { rule, requestedModel, isCodex } = options;
    return { client: this, record, rule, requestedModel, isCodex, status, headers };
  }

  private noteUpstream(): void {
    const upstream = this.forwarding?.upstream;
    if (upstream) this.record.noteUpstream(upstream);
  }

  private onClientReads(): void {
    this.stuckSinceMs = null;
    this.forwarding?.resume();
  }

  private onClientStalled(): void {
    this.record.errorCode = 'client_stalled';
    this.record.errorMessage = 'the client read nothing for too long';
    this.response.destroy();
  }

  /** What failed was told so before; everything else that reaches its end is an answer. */
  private noteAnswered(): void {
    this.forwarding?.succeeded();
    this.keeper.account(this.record, this.options.bodyBytes, this.answer?.eventCount ?? 0, this.options.pricing);
  }

  /** The connection to the client has done its work, or is gone. A promise: the upstream is read on, until it resolves. */
  onResponseClosed(): Promise<void> | null {
    this.resolve();
    this.departure?.end();
    const { record, forwarding } = this;
    if (!this.isDone && !record.isComplete && this.options.isDrained) {
      const drained = this.detach();
      if (drained) return drained;
    }
    this.keeper.closed(this);
    if (this.isDone) return null;
    this.isDone = true;
    if (record.isComplete) this.noteAnswered();
    else if (record.cut === 'client' && forwarding?.wasSent) {
      record.clientLeftAction = 'cancelled';
      record.lastEvent = this.answer instanceof EventAnswer ? this.answer.lastEventType() : null;
      this.settleCut();
    }
    this.answer?.discard();
    forwarding?.hangUp();
    return null;
  }

  /** The upstream is let go before its end. */
  private settleCut(): void {
    if (this.forwarding?.wasSent && !this.options.rule.onCut()) this.settleEstimate();
  }

  /** What was used is not known: the upstream tells it only at the end. */
  private settleEstimate(): void {
    const { record, options } = this;
    const usage = this.keeper.estimate(record.model, options.bodyBytes, this.answer?.eventCount ?? 0);
    if (!record.isComplete) record.settleEstimate(usage, options.pricing);
  }

  /** The client has left: goes on without it, if there is something to wait for and room for it. Resolves at the end. */
  private detach(): Promise<void> | null {
    if (!this.forwarding?.wasSent || !this.keeper.mayDrain()) return null;
    this.drain = new Drain(this.keeper, this);
    this.forwarding.resume();
    return this.drain.ended;
  }

  endDrain(action: 'drained' | 'drain_capped'): void {
    const { drain } = this;
    if (!drain || drain.isOver) return;
    this.isDone = true;
    this.answer?.discard();
    this.forwarding?.hangUp();
    this.keeper.closed(this);
    this.keeper.drainEnded();
    this.record.clientLeftAction = action;
    if (!this.record.isComplete) this.settleEstimate();
    this.resolve();
    drain.end();
  }
}
