import { compactionItem, modelFamily, SUMMARY_BYTES_MAX, transcriptOf } from '@app/compaction';
import type { CallPricing } from '@app/models';
import { type InputItem, readInputItems, type ResponseCall } from '@app/protocol';
import type { Candidate } from '@app/upstreams';
import type { AnswerRule } from '../responses/answer-rule.js';
import { ForwardedResponse } from '../responses/forwarded-response.js';
import { CallBooks, NobodyWaitsError, NOTHING_KNOWN } from './call-books.js';
import type { CollectedResponseAnswer } from './collected-call.js';
import type { CompactionTools, ThresholdCall } from './compaction-call.js';
import type { ContextShortener, ShortenedCall } from './context-shortener.js';
import {
  type FinalAnswer,
  isCompactionItem,
  type Json,
  outputOf,
  refusalAnswer,
  responseAnswer,
  upstreamsAnswer,
} from './final-answer.js';
import { verdictOfRefusal } from './native-verdict.js';

/**
 * One call with `context_management` that has grown beyond its threshold (protocol.md §3.3), for an upstream that does not
 * compact by itself, or has not been asked yet: the history is summarised, and the answer has a compaction item at its end.
 */
export class ThresholdRun {
  private readonly books: CallBooks;
  private readonly pricing: CallPricing;
  private readonly rule: AnswerRule;

  constructor(
    private readonly all: CompactionTools,
    private readonly shortener: ContextShortener,
    private readonly asked: ThresholdCall,
    private readonly signal: AbortSignal,
  ) {
    const { catalog, routing, keeper, created } = all;
    const { call, request } = asked;
    const { record, caller } = request;
    this.pricing = catalog.pricingOf(call.model, record.startedAtMs, caller.group, call.serviceTier);
    this.books = new CallBooks(record, routing, keeper, signal, this.pricing);
    this.rule = created.rule({ groupId: caller.group.id, call, pricing: this.pricing, record, isStorable: true });
    this.books.note({ ...NOTHING_KNOWN, form: 'threshold' });
  }

  /**
   * null: nobody waits for it any more.
   *
   * @throws GatewayError
   */
  async answer(): Promise<FinalAnswer | null> {
    try {
      const asking = this.unasked();
      const native = asking.length > 0 ? await this.native(asking) : null;
      return native ?? (await this.emulated());
    } catch (error) {
      this.books.settle();
      if (error instanceof NobodyWaitsError) return null;
      throw error;
    }
  }

  private unasked(): readonly Candidate[] {
    const [first] = this.asked.candidates;
    return first && this.all.knowledge.supports.of(first.upstream, 'threshold') === 'unknown' ? [first] : [];
  }

  /** null when the upstream does not take it. */
  private async native(candidates: readonly Candidate[]): Promise<FinalAnswer | null> {
    const { call, request } = this.asked;
    const answer = await this.called(call, candidates);
    if (answer.kind === 'failure') {
      if (this.asked.candidates.length > candidates.length) return null;
      throw answer.error;
    }
    const { upstream } = answer.candidate;
    if (answer.kind === 'refusal') {
      const verdict = verdictOfRefusal(answer, 'threshold');
      if (verdict === 'refused') return refusalAnswer(answer, request.record);
      if (verdict === 'unknown_form') this.all.knowledge.supports.note(upstream, 'threshold', false);
      return null;
    }
    // One that passes over the member has answered all the same; the next time it is known.
    const hasCompacted = outputOf(answer.response).some(isCompactionItem);
    // It may count otherwise than we estimate.
    const isBeyond = (answer.summary.usage?.inputTokens ?? 0) > this.asked.tokensMax;
    if (hasCompacted || (answer.summary.status === 'completed' && isBeyond)) {
      this.all.knowledge.supports.note(upstream, 'threshold', hasCompacted);
    }
    this.settle(answer);
    this.books.note({ ...NOTHING_KNOWN, form: 'threshold', by: hasCompacted ? 'upstream' : null });
    return upstreamsAnswer(answer, request.record);
  }

  private async emulated(): Promise<FinalAnswer> {
    const { plainCall, candidates, request } = this.asked;
    const shortened = await this.shortened();
    if (shortened) request.record.compaction = shortened.note;
    const answer = await this.called(shortened?.call ?? plainCall, candidates);
    if (answer.kind === 'failure') throw answer.error;
    if (answer.kind === 'refusal') return refusalAnswer(answer, request.record);
    this.settle(answer);
    const item = shortened && this.compactionFor(shortened, answer);
    if (!item) return upstreamsAnswer(answer, request.record);
    const response = JSON.parse(answer.response.toString('utf8')) as Json;
    const output = [...outputOf(answer.response), item];
    return responseAnswer({ ...response, output }, request.record, answer.headers);
  }

  /** null when there is nothing to summarise, or no summary to be had: then the call goes on as it is. */
  private async shortened(): Promise<ShortenedCall | null> {
    const { request, plainCall, candidates, tokensMax } = this.asked;
    try {
      const side = { request, call: plainCall, candidates, form: 'threshold', signal: this.signal } as const;
      return await this.shortener.shortened(side, tokensMax);
    } catch (error) {
      if (error instanceof NobodyWaitsError) throw error;
      return null;
    }
  }

  private called(call: ResponseCall, candidates: readonly Candidate[]) {
    const { headers } = this.asked.request;
    return this.books.call(
      new ForwardedResponse(call, headers, '/responses', candidates, this.all.knowledge),
      call.raw.length,
    );
  }

  private settle({ summary, response, isEventStream }: CollectedResponseAnswer): void {
    this.rule.settle(summary, isEventStream ? 'terminal_event' : 'response_body', response);
  }

  /**
   * The item behind which a client may drop everything before it: so it stands for the summary, what followed it, and this
   * answer. null when the answer calls tools, whose outputs would then come without their calls.
   */
  private compactionFor(
    { summary, tail }: ShortenedCall,
    { response, summary: { status } }: CollectedResponseAnswer,
  ): Json | null {
    const output = outputOf(response);
    if (status !== 'completed' || output.some(({ type }) => String(type).endsWith('_call'))) return null;
    const answered = (readInputItems(Buffer.from(JSON.stringify({ input: output }))) ?? []) as InputItem[];
    const text = [summary, '## Since then', ...transcriptOf(tail), ...transcriptOf(answered)].join('\n\n');
    if (Buffer.byteLength(text) > SUMMARY_BYTES_MAX) return null;
    const { request, call } = this.asked;
    return compactionItem(
      this.all.seal.seal(text, {
        groupId: request.caller.group.id,
        modelFamily: modelFamily(call.model),
        createdAtSeconds: Math.floor(this.all.keeper.clock.now() / 1000),
      }),
    );
  }
}
