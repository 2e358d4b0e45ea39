import type { CompactionNote, RequestRecord } from '@app/journal';
import type { ModelPrice } from '@app/models';
import type { AttemptReport, Routing, Upstream } from '@app/upstreams';
import type { AnswerKeeper } from '../responses/answer-keeper.js';
import { type CollectedAnswer, collectCall, type CollectedCallContext } from './collected-call.js';
import type { ForwardedCall } from '@app/upstreams';

/** The client has left, or the process ends: nobody waits for the compaction. */
export class NobodyWaitsError extends Error {}

/** Before anything was counted: four bytes of JSON to a token. */
const TOKENS_PER_BYTE = 0.25;

/** Makes the calls of one compaction, and keeps the books: every try, everything that was used, on the record. */
export class CallBooks implements CollectedCallContext {
  readonly attempts: AttemptReport[] = [];
  private inputTokens = 0;
  private inputBytes = 0;

  // oxlint-disable-next-line max-params -- what a call needs, by name
  constructor(
    private readonly record: RequestRecord,
    readonly routing: Routing,
    private readonly keeper: AnswerKeeper,
    readonly signal: AbortSignal,
    private readonly price: ModelPrice | null,
  ) {
    record.attempts = this.attempts;
  }

  monotonicNow(): number {
    return this.keeper.clock.monotonic();
  }

  onUpstream({ id, name }: Upstream): void {
    this.record.upstreamId = id;
    this.record.upstreamName = name;
  }

  /**
   * Makes a call that this compaction needs. What it used is not on the record yet when it is answered: see `noteUsage`.
   *
   * @param bodyBytes for estimates
   * @throws NobodyWaitsError
   */
  async call(call: ForwardedCall, bodyBytes: number): Promise<Exclude<CollectedAnswer, { kind: 'aborted' }>> {
    const answer = await collectCall(call, this);
    const { record, keeper } = this;
    if (answer.kind === 'aborted') {
      if (answer.eventCount !== null) {
        record.noteEarlierCall(keeper.estimate(record.model, bodyBytes, answer.eventCount), this.price);
        this.isEstimated = true;
      }
      throw new NobodyWaitsError('nobody waits for the compaction');
    }
    if (answer.kind === 'failure') return answer;
    const { headers } = answer;
    record.upstreamStatus = answer.kind === 'refusal' ? answer.status : 200;
    if (typeof headers['x-request-id'] === 'string') record.upstreamRequestId = headers['x-request-id'];
    if (answer.kind === 'answer' && answer.summary.usage) {
      this.inputTokens += answer.summary.usage.inputTokens;
      this.inputBytes += bodyBytes;
    }
    return answer;
  }

  private isEstimated = false;

  /** Takes down what an answer used that is not the client's own. */
  noteUsage({ summary }: Extract<CollectedAnswer, { kind: 'answer' }>): void {
    const { record } = this;
    record.servedModel = summary.model ?? record.servedModel;
    record.noteEarlierCall(summary.usage, this.price);
  }

  /** Everything that was used is the client's: the compaction has come to its end. */
  settle(): void {
    this.record.settleEarlierCalls(this.isEstimated ? 'estimate' : 'terminal_event', this.price);
    if (this.isEstimated) this.record.settlement = 'estimated';
  }

  /** About how many tokens so many bytes of JSON are, by what the model's provider has counted of this conversation. */
  tokensOf(bytes: number): number {
    return Math.round(bytes * (this.inputBytes > 0 ? this.inputTokens / this.inputBytes : TOKENS_PER_BYTE));
  }

  note(note: Omit<CompactionNote, 'requestId'>): void {
    this.record.compaction = { ...note, requestId: null };
  }
}
