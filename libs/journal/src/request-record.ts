import { type CacheDrop, toPublicId } from '@app/contract';
import type { CallPricing, UnpricedModelPolicy } from '@app/models';
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
  | 'usage'
  | 'websocket'
  | 'other';

/** What became of the upstream when the client left before the end. */
export type ClientLeftAction = 'cancelled' | 'drained' | 'drain_capped';

/** One try of an upstream; times are since it began. */
export interface UpstreamAttempt {
  readonly upstreamId: string;
  readonly upstreamName: string;
  readonly status: number | null;
  readonly problem: string | null;
  /** Of a connection that was made for it. */
  readonly connection: {
    readonly dnsMs: number | null;
    readonly tcpMs: number | null;
    readonly tlsMs: number | null;
  } | null;
  readonly sentMs: number | null;
  readonly firstByteMs: number | null;
  readonly durationMs: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>> | null;
}

/** What became of a compaction, or of the one that a response needed. */
export interface CompactionNote {
  /** How it was asked for; `automatic`: by the group's policy; `client`: as an ordinary call, for a summary. */
  readonly form: 'endpoint' | 'trigger' | 'threshold' | 'automatic' | 'client';
  /** null: nobody made one. */
  readonly by: 'upstream' | 'gateway' | 'client' | null;
  /** Estimates. */
  readonly tokensBefore: number | null;
  readonly tokensAfter: number | null;
  readonly itemsBefore: number | null;
  readonly itemsAfter: number | null;
  /** Parts in which the conversation was read. */
  readonly chunks: number | null;
  /** Public id of the compaction's own record, when it is not this one. */
  readonly requestId: string | null;
}

/** Something that a request holds until its record is closed. */
export interface Holding {
  /** @param record closed: with everything that was used */
  settle(record: RequestRecord): void;
}

/** Something that wants to know what an answer has used. */
export interface UsageWatch {
  /** @param record with all that the answer has told; the client has not seen its end yet */
  onUsage(record: RequestRecord, usage: TokenUsage): void;
}

/** Keeps what is known of a request that runs, should the process die. */
export interface RecordKeeper {
  /** The request is about to be sent to an upstream. */
  noteAsked(record: RequestRecord): void;
  /** The client is about to see the end of its answer. */
  noteEnding(record: RequestRecord): void;
}

/** Whoever goes on when what its keeper has noted of a record is written. */
export interface WriteWaiter {
  onWritten(): void;
}

/** What a request that has been sent to an upstream has used, if nothing more is heard of it. */
export interface UsageEstimate {
  readonly usage: TokenUsage;
  readonly pricing: CallPricing | null;
  /** How many calls it is the sum of. */
  readonly calls: number;
}

/** Whoever answers a request. */
export interface Answering {
  /** The response has closed, the record has not yet: it closes when the promise resolves. */
  onResponseClosed(): Promise<void> | null;
  /** The client has left, or has only closed its side. */
  onClientSideClosed(): void;
  /** Ends the answer before its time, with a word to the client. False: there is nothing to be ended any more. */
  cutOff(by: 'shutdown' | 'operator'): boolean;
}

/**
 * How far a request's usage is settled.
 * - `open`: the request is running
 * - `final`: usage as counted by the upstream and priced, or nothing was used
 * - `partial`: the answer was cut after it had begun; the upstream never told its usage
 * - `estimated`: usage estimated by the gateway
 * - `missing`: the response failed, which is not billed, and told no usage
 * - `unpriced`: usage is known, but the model has no price; what it costs is unknown, or told by the group's ceiling
 * - `interrupted`: the request ended before its answer began, or with the gateway itself
 */
export type Settlement = 'open' | 'final' | 'partial' | 'estimated' | 'missing' | 'unpriced' | 'interrupted';

/** Where the usage was read. */
export type UsageSource = 'none' | 'terminal_event' | 'response_body' | 'estimate';

/** What the record of nested work has in common with the request that it is done for. */
const INHERITED = [
  'keyId',
  'keyName',
  'groupId',
  'groupName',
  'model',
  'sessionId',
  'client',
  'clientIp',
  'clientRequestId',
  'keeper',
] as const;

const NO_HEADERS: readonly string[] = [];

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
  cut: 'client' | 'upstream' | 'timeout' | 'shutdown' | 'operator' | null = null;
  settlement: Settlement = 'open';
  /** What has to be known before the record can be closed; never rejects. */
  settling: Promise<void> | null = null;
  usageSource: UsageSource = 'none';
  usage: TokenUsage | null = null;
  /** As the answer names it, else as it was asked for. */
  serviceTier: string | null = null;
  /** Before the group's multiplier. */
  baseCostNanoUsd: bigint | null = null;
  costNanoUsd: bigint | null = null;
  priceId: string | null = null;
  /** In ten-thousandths; null: nothing was to be priced. */
  priceMultiplier: bigint | null = null;
  /** Something was used that has no price: how that was dealt with. */
  unpricedPolicy: UnpricedModelPolicy | null = null;
  /** Calls that were paid for. */
  pricedCalls: number | null = null;
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
  compaction: CompactionNote | null = null;
  /** What it has lost of the prompt cache that its session had. */
  cacheDrop: CacheDrop | null = null;
  usageWatch: UsageWatch | null = null;
  /** Until the record is closed. */
  keeper: RecordKeeper | null = null;
  /** What its keeper has of it. */
  held: object | null = null;
  /**
   * Who waits for what is noted to be written: together with what is noted of others in the same turn of the event loop, while
   * `isBeingWritten`. null: nobody does, and it is written at once.
   */
  writeWaiter: WriteWaiter | null = null;
  isBeingWritten = false;
  /** Whether the client may have seen the end of its answer. */
  isEnding = false;
  /** null: it has not been sent to an upstream, or costs nothing there. */
  estimate: UsageEstimate | null = null;
  /** What its limits hold for its answer: what it counts as, should nobody hear of it again. */
  expectedOutputTokens = 0;
  /** What was used by calls before the one that is settled: a compaction may take more than one. */
  private earlierUsage: TokenUsage | null = null;
  private earlierCalls = 0;
  /** What is given back when the record is closed. */
  private holding: Holding | null = null;
  private isClosed = false;
  /** Names and values in turn that the answer's head has besides, whatever the answer is. */
  answerHeaders: readonly string[] = NO_HEADERS;
  /** Whoever answers, until the record is closed. */
  answering: Answering | null = null;
  /** It waits for calls of its key or group to end. */
  isWaitingForTurn = false;
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

  /** The id of a response that the gateway makes itself, or of one whose upstream gave it none. */
  get ownResponseId(): string {
    return `resp_${this.id.replaceAll('-', '')}`;
  }

  /** A record of its own for work that this request needs done before it can be answered. */
  beginNested(startedAtMs: number, startedMonotonicMs: number, route: string): RequestRecord {
    const nested = new RequestRecord(startedAtMs, startedMonotonicMs, route);
    for (const name of INHERITED) Object.assign(nested, { [name]: this[name] });
    return nested;
  }

  /** Takes down who is asked. */
  noteUpstream({ id, name }: { readonly id: string; readonly name: string }): void {
    this.upstreamId = id;
    this.upstreamName = name;
  }

  /** Takes down that a call is about to be sent to an upstream; `usage`: what it uses at least, as is believed; null: nothing. */
  noteAsked(usage: TokenUsage | null, pricing: CallPricing | null): void {
    const outputTokens = Math.max(usage?.outputTokens ?? 0, this.expectedOutputTokens);
    this.estimate = usage && {
      usage: summed(this.earlierUsage, { ...usage, outputTokens }),
      pricing,
      calls: this.earlierCalls + 1,
    };
    this.keeper?.noteAsked(this);
  }

  /** Makes safe what is known, before the last bytes of an answer go out: a client that has seen them finds it in the log. */
  noteEnding(): void {
    this.isEnding = true;
    this.keeper?.noteEnding(this);
  }

  /** Takes down how the upstream ended the response, at the moment that is known. */
  settle(summary: ResponseSummary, source: UsageSource, pricing: CallPricing): void {
    this.isComplete = true;
    this.responseStatus = summary.status;
    this.responseId = summary.id ?? this.responseId;
    this.servedModel = summary.model ?? this.servedModel;
    this.errorCode = summary.errorCode ?? this.errorCode;
    this.errorMessage = summary.errorMessage ?? this.errorMessage;
    this.serviceTier = summary.serviceTier ?? pricing.askedTier;
    this.usage = summary.usage;
    this.usageSource = summary.usage ? source : 'none';
    if (!summary.usage) this.settlement = 'missing';
    else {
      this.settleCost(summary.usage, pricing, 1);
      this.usageWatch?.onUsage(this, summary.usage);
    }
    this.noteEnding();
  }

  /** Takes down a call that was answered, and is not the last one that this request needs. */
  noteEarlierCall(usage: TokenUsage | null, serviceTier: string | null): void {
    if (!usage) return;
    this.serviceTier = serviceTier ?? this.serviceTier;
    this.earlierUsage = summed(this.earlierUsage, usage);
    this.earlierCalls++;
  }

  /** Takes down a request whose calls were all noted before. */
  settleEarlierCalls(source: UsageSource, pricing: CallPricing): void {
    const usage = this.earlierUsage;
    this.serviceTier ??= pricing.askedTier;
    this.usage = usage;
    this.usageSource = usage ? source : 'none';
    if (!usage) return this.settleUnused();
    this.settleCost(usage, pricing, this.earlierCalls);
  }

  /** Rounded once, so that the cost can be computed again from the row alone. */
  private settleCost(usage: TokenUsage, pricing: CallPricing, calls: number): void {
    const { version } = pricing;
    const charge = pricing.chargeOf(usage, this.serviceTier, calls);
    this.settlement = version ? 'final' : 'unpriced';
    this.baseCostNanoUsd = charge?.baseNanoUsd ?? null;
    this.costNanoUsd = charge?.nanoUsd ?? null;
    this.priceId = version?.id ?? null;
    this.priceMultiplier = pricing.multiplier;
    this.unpricedPolicy = pricing.unpricedPolicy;
    this.pricedCalls = calls;
  }

  /** Takes down that the upstream refused, which the client was told inside a stream that had been opened before. */
  noteRefused(): void {
    this.isComplete = true;
    this.responseStatus = 'failed';
  }

  /** Takes down an answer of the gateway's own that is whole. */
  noteAnswered(responseId: string | null): void {
    this.isComplete = true;
    this.responseStatus = 'completed';
    this.responseId = responseId;
    this.noteEnding();
  }

  /** Takes down what the gateway believes was used by an answer that was cut. */
  settleEstimate(usage: TokenUsage, pricing: CallPricing): void {
    this.usage = usage;
    this.usageSource = 'estimate';
    this.serviceTier ??= pricing.askedTier;
    this.settleCost(usage, pricing, 1);
    this.settlement = 'estimated';
  }

  /** Takes down an answer that is whole and costs nothing: what it shows was accounted by the request that made it. */
  settleFree(summary: ResponseSummary): void {
    this.isComplete = true;
    this.servedModel = summary.model ?? this.servedModel;
    this.settleUnused();
    this.noteEnding();
  }

  /** Keeps something until the record is closed; a record that is closed gives it back at once. */
  hold(holding: Holding): void {
    if (this.isClosed) holding.settle(this);
    else this.holding = holding;
  }

  /** Ends the record: after this every field is as it will be logged, and nothing is held any more. */
  close(monotonicNowMs: number): void {
    this.durationMs = monotonicNowMs - this.startedMonotonicMs;
    this.settleOpen();
    this.isClosed = true;
    this.keeper = null;
    this.writeWaiter = null;
    this.usageWatch = null;
    this.holding?.settle(this);
    this.holding = null;
  }

  private settleOpen(): void {
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
    this.baseCostNanoUsd = 0n;
    this.costNanoUsd = 0n;
  }
}

function summed(one: TokenUsage | null, other: TokenUsage): TokenUsage {
  if (!one) return other;
  return {
    inputTokens: one.inputTokens + other.inputTokens,
    cachedTokens: one.cachedTokens + other.cachedTokens,
    cacheWriteTokens: one.cacheWriteTokens + other.cacheWriteTokens,
    outputTokens: one.outputTokens + other.outputTokens,
    reasoningTokens: one.reasoningTokens + other.reasoningTokens,
  };
}
