import { toPublicId } from '@app/contract';
import { costNanoUsd, type ModelPrice } from '@app/models';
import type { ResponseSummary, TokenUsage } from '@app/protocol';
import { newId } from '@app/runtime';

/** What a request asked for. */
export type RequestKind =
  | 'response'
  | 'compaction'
  | 'retrieve'
  | 'delete'
  | 'cancel'
  | 'input_items'
  | 'input_tokens'
  | 'models'
  | 'doctor'
  | 'websocket'
  | 'other';

/** What became of the upstream when the client left before the end. */
export type ClientLeftAction = 'cancelled' | 'drained' | 'drain_capped';

/** One try of an upstream. */
export interface UpstreamAttempt {
  readonly upstreamId: string;
  readonly upstreamName: string;
  readonly status: number | null;
  readonly problem: string | null;
  readonly durationMs: number;
}

/** Whoever answers a request. */
export interface Answering {
  /** The response has closed, the record has not yet: it closes when the promise resolves. */
  onResponseClosed(): Promise<void> | null;
  /** The client has left, or has only closed its side. */
  onClientSideClosed(): void;
}

/**
 * How far a request's usage is settled.
 * - `open`: the request is running
 * - `final`: usage as counted by the upstream and priced, or nothing was used
 * - `partial`: the answer was cut after it had begun; the upstream never told its usage
 * - `estimated`: usage estimated by the gateway
 * - `missing`: the answer ended properly but without usage
 * - `unpriced`: usage is known, but the model has no price
 * - `interrupted`: the request ended before its answer began, or with the gateway itself
 */
export type Settlement = 'open' | 'final' | 'partial' | 'estimated' | 'missing' | 'unpriced' | 'interrupted';

/** Where the usage was read. */
export type UsageSource = 'none' | 'terminal_event' | 'response_body' | 'estimate';

const NOTHING_USED: TokenUsage = {
  inputTokens: 0,
  cachedTokens: 0,
  cacheWriteTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
};

/**
 * One row of the request log in the making: opened when the request arrives, filled along the way, closed when the response
 * closes. All fields exist from the start, so that every record has one shape.
 */
export class RequestRecord {
  readonly id: string;
  /** The id as clients see it, in `x-request-id` and in the log. */
  readonly publicId: string;
  keyId: string | null = null;
  keyName: string | null = null;
  groupId: string | null = null;
  groupName: string | null = null;
  model: string | null = null;
  servedModel: string | null = null;
  upstreamId: string | null = null;
  upstreamName: string | null = null;
  kind: RequestKind = 'other';
  stream = false;
  /** HTTP status that the client got; 499 when it left before there was one. */
  status = 0;
  upstreamStatus: number | null = null;
  errorCode: string | null = null;
  /** For operators; scrubbed and short. */
  errorMessage: string | null = null;
  /** Whether the answer reached its end: a terminal event, or the last byte of a JSON body. */
  isComplete = false;
  /** The response object's own verdict, e.g. `completed` or `failed`. */
  responseStatus: string | null = null;
  /** What cut the answer, if anything did. */
  cut: 'client' | 'upstream' | 'timeout' | 'shutdown' | null = null;
  settlement: Settlement = 'open';
  /** What has to be known before the record can be closed; never rejects. */
  settling: Promise<void> | null = null;
  usageSource: UsageSource = 'none';
  usage: TokenUsage | null = null;
  costNanoUsd: bigint | null = null;
  priceId: string | null = null;
  firstByteMs: number | null = null;
  durationMs = 0;
  /** Every try of an upstream, in order. */
  attempts: readonly UpstreamAttempt[] = [];
  /** What was written into the stream to keep it open. */
  keepAlives = 0;
  clientLeftAction: ClientLeftAction | null = null;
  /** Type of the last event of a stream that did not reach its end. */
  lastEvent: string | null = null;
  /** Of a refused request: the checks that led to it. */
  decision: unknown = null;
  /** Whoever answers, until the record is closed. */
  answering: Answering | null = null;
  requestBytes = 0;
  responseBytes = 0;
  sessionId: string | null = null;
  client: string | null = null;
  clientIp: string | null = null;
  responseId: string | null = null;
  upstreamRequestId: string | null = null;
  clientRequestId: string | null = null;

  /**
   * @param startedAtMs wall clock; also the time part of the id
   * @param startedMonotonicMs for durations
   */
  constructor(
    readonly startedAtMs: number,
    readonly startedMonotonicMs: number,
    public route: string,
  ) {
    this.id = newId(startedAtMs);
    this.publicId = toPublicId('request', this.id);
  }

  /** Takes down how the upstream ended the response, at the moment that is known. */
  settle(summary: ResponseSummary, source: UsageSource, price: ModelPrice | null): void {
    this.isComplete = true;
    this.responseStatus = summary.status;
    this.responseId = summary.id ?? this.responseId;
    this.servedModel = summary.model ?? this.servedModel;
    this.errorCode = summary.errorCode ?? this.errorCode;
    this.errorMessage = summary.errorMessage ?? this.errorMessage;
    this.usage = summary.usage;
    this.usageSource = summary.usage ? source : 'none';
    if (!summary.usage) this.settlement = 'missing';
    else if (!price) this.settlement = 'unpriced';
    else {
      this.settlement = 'final';
      this.costNanoUsd = costNanoUsd(summary.usage, price);
      this.priceId = price.id;
    }
  }

  /** Takes down that the upstream refused, which the client was told inside a stream that had been opened before. */
  noteRefused(): void {
    this.isComplete = true;
    this.responseStatus = 'failed';
  }

  /** Takes down what the gateway believes was used by an answer that was cut. */
  settleEstimate(usage: TokenUsage, price: ModelPrice | null): void {
    this.usage = usage;
    this.usageSource = 'estimate';
    this.settlement = 'estimated';
    if (!price) return;
    this.costNanoUsd = costNanoUsd(usage, price);
    this.priceId = price.id;
  }

  /** Takes down an answer that is whole and costs nothing: what it shows was accounted by the request that made it. */
  settleFree(summary: ResponseSummary): void {
    this.isComplete = true;
    this.servedModel = summary.model ?? this.servedModel;
    this.settleUnused();
  }

  /** Ends the record: after this every field is as it will be logged. */
  close(monotonicNowMs: number): void {
    this.durationMs = monotonicNowMs - this.startedMonotonicMs;
    if (this.settlement !== 'open') return;
    if (this.cut !== null) {
      this.settlement = this.firstByteMs === null ? 'interrupted' : 'partial';
      return;
    }
    // Refused, here or by the upstream, or answered without one: nothing was used.
    this.settleUnused();
  }

  private settleUnused(): void {
    this.settlement = 'final';
    this.usage = NOTHING_USED;
    this.costNanoUsd = 0n;
  }
}
