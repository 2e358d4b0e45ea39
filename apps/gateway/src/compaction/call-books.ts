import type { CompactionNote, RequestRecord } from '@app/journal';
import type { CallPricing } from '@app/models';
import type { AttemptReport, ForwardedCall, Routing, Upstream } from '@app/upstreams';
import type { AnswerKeeper } from '../responses/answer-keeper.js';
import {
  type CollectedAbort,
  type CollectedAnswer,
  collectCall,
  type CollectedCallContext,
  type CollectedResponseAnswer,
} from './collected-call.js';

/** The client has left, or the process ends: nobody waits for the compaction. */
export class NobodyWaitsError extends Error {}

/** What is known of a call whose usage was not told. */
type Untold = Pick<CollectedResponseAnswer, 'bodyBytes' | 'eventCount'>;

/** A note of a compaction of which nothing has been measured. */
export const NOTHING_KNOWN = {
  by: null,
  tokensBefore: null,
  tokensAfter: null,
  itemsBefore: null,
  itemsAfter: null,
  chunks: null,
} as const;

/** Before anything was counted: four bytes of JSON to a token. */
const TOKENS_PER_BYTE = 0.25;

/** Makes the calls of one compaction, and keeps the books: every try, everything that was used, on the record. */
export class CallBooks implements CollectedCallContext {
  /** Of each call, as they go on. */
  private readonly tries: (readonly AttemptReport[])[] = [];
  private readonly untold: Untold[] = [];
  private isTold = false;
  private isEstimated = false;
  private inputTokens = 0;
  private inputBytes = 0;

  // oxlint-disable-next-line max-params -- what a call needs, by name
  constructor(
    private readonly record: RequestRecord,
    readonly routing: Routing,
    private readonly keeper: AnswerKeeper,
    readonly signal: AbortSignal,
    private readonly pricing: CallPricing,
  ) {}

  monotonicNow(): number {
    return this.keeper.clock.monotonic();
  }

  onTry(upstream: Upstream, attempts: readonly AttemptReport[]): void {
    if (!this.tries.includes(attempts)) this.tries.push(attempts);
    this.record.attempts = this.tries.flat();
    this.record.noteUpstream(upstream);
  }

  /**
   * Makes a call that this compaction needs. What an answer used is to be taken down by whoever gets it: see `noteUsage`.
   *
   * @param signal ends this call alone
   * @throws NobodyWaitsError
   */
  async call(
    call: ForwardedCall,
    bodyBytes: number,
    signal = this.signal,
  ): Promise<Exclude<CollectedAnswer, CollectedAbort>> {
    this.keeper.asking(this.record, bodyBytes, this.pricing);
    const answer = await collectCall(call, bodyBytes, signal, this);
    const { record, keeper } = this;
    if (answer.kind === 'aborted') {
      if (answer.eventCount !== null) this.noteEstimate({ bodyBytes, eventCount: answer.eventCount });
      throw new NobodyWaitsError('nobody waits for the compaction');
    }
    if (answer.kind === 'failure') {
      if (answer.eventCount > 0) this.noteEstimate({ bodyBytes, eventCount: answer.eventCount });
      record.cut = answer.failure.kind === 'timeout' ? 'timeout' : 'upstream';
      record.errorMessage = answer.failure.problem;
      return answer;
    }
    const { headers, candidate } = answer;
    record.cut = null;
    record.errorMessage = null;
    record.upstreamStatus = answer.status;
    const { 'x-request-id': requestId, 'x-codex-turn-state': turnState } = headers;
    if (typeof requestId === 'string') record.upstreamRequestId = requestId;
    if (typeof turnState === 'string') keeper.turnStates.note(turnState, candidate.upstream.id);
    if (answer.kind === 'answer' && answer.summary.usage) {
      this.inputTokens += answer.summary.usage.inputTokens;
      this.inputBytes += bodyBytes;
    }
    return answer;
  }

  /** Takes down what an answer used that is not the client's own. */
  noteUsage(answer: CollectedResponseAnswer): void {
    const { record } = this;
    const { model, usage, serviceTier } = answer.summary;
    record.servedModel = model ?? record.servedModel;
    if (!usage) return void this.untold.push(answer);
    this.isTold = true;
    record.noteEarlierCall(usage, serviceTier);
  }

  /** Puts everything that was used on the record: no further call follows. */
  settle(): void {
    const { record, untold } = this;
    record.attempts = this.tries.flat();
    for (const call of untold.splice(0)) this.noteEstimate(call);
    if (!this.isTold && !this.isEstimated) return;
    record.settleEarlierCalls(this.isEstimated ? 'estimate' : 'terminal_event', this.pricing);
    if (this.isEstimated) record.settlement = 'estimated';
  }

  /** About how many tokens so many bytes of JSON are, by what the model's provider has counted of this conversation. */
  tokensOf(bytes: number): number {
    return Math.round(bytes * (this.inputBytes > 0 ? this.inputTokens / this.inputBytes : TOKENS_PER_BYTE));
  }

  note(note: Omit<CompactionNote, 'requestId'>): void {
    this.record.compaction = { ...note, requestId: null };
  }

  private noteEstimate({ bodyBytes, eventCount }: Untold): void {
    const { record, keeper } = this;
    this.isEstimated = true;
    record.noteEarlierCall(keeper.estimate(record.model, bodyBytes, eventCount), null);
  }
}
