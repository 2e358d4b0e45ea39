import { Injectable } from '@nestjs/common';
import { CompactionSettings } from '@app/compaction';
import { type CompactionNote, RequestLog, type RequestRecord } from '@app/journal';
import { ModelCatalog } from '@app/models';
import { errors, GatewayError, type ResponseCall } from '@app/protocol';
import { Clock } from '@app/runtime';
import { type Candidate, Routing } from '@app/upstreams';
import { GatewayMetrics } from '../health/gateway-metrics.js';
import type { GatewayRequest } from '../http/gateway-request.js';
import { CallLimits } from '../limits/call-limits.js';
import { AnswerKeeper } from '../responses/answer-keeper.js';
import { UpstreamKnowledge } from '../responses/upstream-knowledge.js';
import { CallBooks, NobodyWaitsError, NOTHING_KNOWN } from './call-books.js';
import { ConversationSummary, RefusedSummaryError } from './conversation-summary.js';
import type { Summary } from './summarizer.js';

const ROUTE = 'automatic compaction';

/** A request that needs a summary before it can be answered. */
export interface SideCompaction {
  readonly request: GatewayRequest;
  readonly call: ResponseCall;
  readonly candidates: readonly Candidate[];
  readonly form: CompactionNote['form'];
  readonly signal: AbortSignal;
}

/** A summary, and where the log has it. */
export interface SideSummary extends Summary {
  readonly requestId: string;
  /** About how many tokens so many bytes of this conversation are. */
  tokensOf(bytes: number): number;
}

/** Writes summaries that a request needs before it can be answered; each has its own row in the log, and its own pricing. */
@Injectable()
export class SideCompactions {
  // oxlint-disable-next-line max-params -- every station of the way, by name
  constructor(
    private readonly catalog: ModelCatalog,
    private readonly routing: Routing,
    private readonly knowledge: UpstreamKnowledge,
    private readonly keeper: AnswerKeeper,
    private readonly settings: CompactionSettings,
    private readonly clock: Clock,
    private readonly limits: CallLimits,
    private readonly log: RequestLog,
    private readonly metrics: GatewayMetrics,
  ) {}

  /**
   * @throws GatewayError when there is no summary to be had
   * @throws NobodyWaitsError
   */
  async write(side: SideCompaction, conversation: Iterable<string>): Promise<SideSummary> {
    const { request, call, form } = side;
    const record = request.record.beginNested(this.clock.now(), this.clock.monotonic(), ROUTE);
    record.kind = 'compaction';
    const pricing = this.catalog.pricingOf(call.model, record.startedAtMs, request.caller.group, call.serviceTier);
    const books = new CallBooks(record, this.routing, this.keeper, side.signal, pricing);
    this.metrics.requestStarted();
    let bytes = 0;
    const counted = function* (): Generator<string, void> {
      for (const text of conversation) {
        bytes += Buffer.byteLength(text);
        yield text;
      }
    };
    try {
      const summary = await this.summary(side, books).writeOf(counted());
      record.status = 200;
      record.noteAnswered(null);
      const tokensAfter = books.tokensOf(Buffer.byteLength(summary.text));
      const { chunks } = summary;
      books.note({ ...NOTHING_KNOWN, form, by: 'gateway', tokensBefore: books.tokensOf(bytes), tokensAfter, chunks });
      return { ...summary, requestId: record.publicId, tokensOf: (size) => books.tokensOf(size) };
    } catch (error) {
      books.note({ ...NOTHING_KNOWN, form, by: null });
      throw failureOf(error, record);
    } finally {
      books.settle();
      record.close(this.clock.monotonic());
      this.limits.charge(request.caller, record);
      this.metrics.requestEnded(record);
      this.log.add(record);
    }
  }

  private summary({ request, call, candidates }: SideCompaction, books: CallBooks): ConversationSummary {
    return new ConversationSummary({
      call,
      headers: request.headers,
      candidates,
      knowledge: this.knowledge,
      books,
      instruction: this.settings.instruction,
      windowTokens: this.catalog.find(call.model)?.contextWindowTokens ?? null,
    });
  }
}

/** Takes the failure down, and tells it as one of ours. */
function failureOf(error: unknown, record: RequestRecord): Error {
  if (error instanceof NobodyWaitsError) {
    record.cut = 'client';
    record.status = 499;
    return error;
  }
  const told =
    error instanceof RefusedSummaryError
      ? errors.compactionFailed(error.refusal.summary?.errorMessage ?? error.message)
      : error;
  const { code, message, status } = told instanceof GatewayError ? told : errors.internal(told);
  record.status = status;
  record.errorCode = code;
  record.errorMessage = message;
  return told instanceof Error ? told : errors.internal(told);
}
