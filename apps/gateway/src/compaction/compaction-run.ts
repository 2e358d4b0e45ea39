import { compactionItem, isKept, keptMessage, modelFamily, SUMMARY_BYTES_MAX, summaryItems } from '@app/compaction';
import type { CallPricing } from '@app/models';
import {
  encryptedContentFingerprint,
  errors,
  GatewayError,
  type InputItem,
  readInputItems,
  type TokenUsage,
} from '@app/protocol';
import type { Candidate, Upstream } from '@app/upstreams';
import { ForwardedResponse } from '../responses/forwarded-response.js';
import { CallBooks, NobodyWaitsError, NOTHING_KNOWN } from './call-books.js';
import type { CompactionCall, CompactionTools } from './compaction-call.js';
import type { CollectedFailure, CollectedRefusal, CollectedResponseAnswer } from './collected-call.js';
import { ConversationSummary, RefusedSummaryError } from './conversation-summary.js';
import { compactionObject, triggeredResponse } from './emulated-answer.js';
import {
  type FinalAnswer,
  isCompactionItem,
  type Json,
  jsonAnswer,
  outputOf,
  refusalAnswer,
  responseAnswer,
  upstreamsAnswer,
} from './final-answer.js';
import { keptWithin } from './kept-messages.js';
import { type NativeVerdict, verdictOfAnswer, verdictOfRefusal } from './native-verdict.js';
import { isNothingToCompact } from './nothing-to-compact.js';
import type { Summary } from './summarizer.js';

/** Where the gateway's own compaction is to be tried, when an upstream's did not come about. */
interface Remainder {
  readonly candidates: readonly Candidate[];
  /** What the client is told when that fails, too. */
  readonly refusal: CollectedRefusal | null;
  /** When this one writes the summary, it is well, and does not know compaction. */
  readonly suspect: Upstream | null;
}

/** One compaction, from the first upstream that is asked to the answer. */
export class CompactionRun {
  private readonly books: CallBooks;
  private readonly pricing: CallPricing;

  constructor(
    private readonly all: CompactionTools,
    private readonly asked: CompactionCall,
    signal: AbortSignal,
  ) {
    const { catalog, routing, keeper } = all;
    const { call, request } = asked;
    const { record, caller } = request;
    this.pricing = catalog.pricingOf(call.model, record.startedAtMs, caller.group, call.serviceTier);
    this.books = new CallBooks(record, routing, keeper, signal, this.pricing);
    this.books.note({ ...NOTHING_KNOWN, form: asked.form });
  }

  /**
   * null: nobody waits for it any more.
   *
   * @throws GatewayError
   */
  async answer(): Promise<FinalAnswer | null> {
    try {
      const natives = this.leadingNatives();
      const first = natives.length > 0 ? await this.native(natives) : this.everyone();
      return 'status' in first ? first : await this.emulated(first);
    } catch (error) {
      // What was used before it failed has been billed.
      this.books.settle();
      if (error instanceof RefusedSummaryError) return refusalAnswer(error.refusal, this.asked.request.record);
      if (error instanceof NobodyWaitsError) return null;
      if (error instanceof GatewayError && error.code === 'compaction_failed') {
        // The client is told by a 4xx, but the mistake is not its own.
        this.asked.request.record.noteRefused();
        this.asked.request.record.errorMessage = error.message;
      }
      throw error;
    }
  }

  private everyone(): Remainder {
    return { candidates: this.asked.candidates, refusal: null, suspect: null };
  }

  /** Those at the head of the line that know compaction, or have not been asked yet. */
  private leadingNatives(): readonly Candidate[] {
    const { candidates } = this.asked;
    const end = candidates.findIndex(
      ({ upstream }) => this.all.knowledge.supports.of(upstream, this.asked.form) === 'emulate',
    );
    return end === -1 ? candidates : candidates.slice(0, end);
  }

  /** Has an upstream compact. */
  private async native(natives: readonly Candidate[]): Promise<FinalAnswer | Remainder> {
    const { call, form, request } = this.asked;
    const route = form === 'endpoint' ? '/responses/compact' : '/responses';
    const forwarded = new ForwardedResponse(call, request.headers, route, natives, this.all.knowledge);
    const answer = await this.books.call(forwarded, call.raw.length);
    if (answer.kind === 'failure') return this.afterFailure(natives, answer);
    const { candidate } = answer;
    const isAuto = candidate.upstream.compaction === 'auto';
    const verdict: NativeVerdict = isAuto ? verdictOf(answer, form) : 'answered';
    if (verdict === 'answered' || verdict === 'refused') {
      if (answer.kind === 'refusal') {
        this.books.settle();
        return refusalAnswer(answer, this.asked.request.record);
      }
      this.all.knowledge.supports.note(candidate.upstream, form, true);
      const output = outputOf(answer.response);
      await this.keepHistory(output);
      return this.passedOn(answer, output);
    }
    if (answer.kind === 'answer') this.books.noteUsage(answer);
    if (verdict === 'unknown_form') this.all.knowledge.supports.note(candidate.upstream, form, false);
    return this.remainderFrom(candidate, answer.kind === 'refusal' && verdict === 'unclear' ? answer : null);
  }

  /** No upstream that knows compaction could be reached; those that do not, or may not, are left. */
  private afterFailure(natives: readonly Candidate[], { error, failure }: CollectedFailure): Remainder {
    const { candidates, form } = this.asked;
    const rest = candidates.slice(natives.length);
    // Some answer what they do not know with a failure.
    const mayNotKnow = failure.kind === 'unusable' || (failure.kind === 'refused' && !PASSING.has(failure.status ?? 0));
    const last = natives.find(({ upstream }) => upstream.id === this.asked.request.record.upstreamId);
    if (mayNotKnow && last && this.all.knowledge.supports.of(last.upstream, form) === 'unknown') {
      return { candidates: [...rest, last], refusal: null, suspect: last.upstream };
    }
    if (rest.length === 0) throw error;
    return { candidates: rest, refusal: null, suspect: null };
  }

  private remainderFrom(candidate: Candidate, refusal: CollectedRefusal | null): Remainder {
    const { candidates } = this.asked;
    const others = candidates.slice(candidates.indexOf(candidate) + 1);
    return { candidates: [candidate, ...others], refusal, suspect: null };
  }

  /** Should its maker be lost, the session can go on all the same. */
  private async keepHistory(output: readonly Json[]): Promise<void> {
    const { request, call } = this.asked;
    for (const { encrypted_content: content } of output.filter(isCompactionItem)) {
      if (typeof content !== 'string') continue;
      await this.all.lost.keep(request.caller.group.id, call, encryptedContentFingerprint(content));
    }
  }

  /** The upstream's own compaction, as it came. */
  private passedOn(answer: CollectedResponseAnswer, output: readonly Json[]): FinalAnswer {
    const { call, form, request } = this.asked;
    const { record, caller } = request;
    const { response, summary, isEventStream } = answer;
    const rule = this.all.created.rule({
      groupId: caller.group.id,
      call,
      pricing: this.pricing,
      record,
      isStorable: form === 'trigger',
    });
    rule.settle(summary, isEventStream ? 'terminal_event' : 'response_body', response);
    const kept = output.filter(({ type }) => type === 'message');
    this.books.note({
      form,
      by: 'upstream',
      ...this.sizes(readInputItems(call.raw) ?? [], kept, summary.usage?.outputTokens ?? 0),
      itemsAfter: output.length,
      chunks: 1,
    });
    return upstreamsAnswer(answer, record);
  }

  /** The gateway's own compaction. */
  private async emulated({ candidates, refusal, suspect }: Remainder): Promise<FinalAnswer> {
    const { call, form, request, sentBody } = this.asked;
    const items = (readInputItems(call.raw) ?? []).filter(({ type }) => type !== 'compaction_trigger');
    // What is stored elsewhere is part of the conversation, too.
    const isWhole = form === 'endpoint' && call.previousResponseId === null;
    if (isWhole && isNothingToCompact(call.raw, items)) return this.unchanged(sentBody);
    const windowTokens = this.all.catalog.find(call.model)?.contextWindowTokens ?? null;
    const summary = await this.summaryOf(items, candidates, windowTokens, refusal);
    if (suspect && suspect.id === request.record.upstreamId) this.all.knowledge.supports.note(suspect, form, false);
    const kept = form === 'endpoint' ? keptWithin(items.filter(isKept), windowTokens) : { messages: [], dropped: 0 };
    const { record, caller } = request;
    const text = kept.dropped === 0 ? summary.text : `${summary.text}\n\n${droppedNote(kept.dropped)}`;
    if (Buffer.byteLength(text) > SUMMARY_BYTES_MAX) throw errors.compactionFailed('the summary is too long');
    const createdAtSeconds = this.nowSeconds();
    const origin = { groupId: caller.group.id, modelFamily: modelFamily(call.model), createdAtSeconds };
    const sealed = this.all.seal.seal(text, origin);
    const messages = kept.messages.map(keptMessage);
    const output =
      form === 'endpoint'
        ? [...messages, ...summaryItems(text, sealed, caller.group.compactionOutput)]
        : [compactionItem(sealed)];
    this.books.settle();
    record.noteAnswered(record.ownResponseId);
    this.books.note({
      form,
      by: 'gateway',
      ...this.sizes(items, [...messages, { text }], 0),
      itemsAfter: output.length,
      chunks: summary.chunks,
    });
    return this.told(output, record.usage);
  }

  private async summaryOf(
    items: readonly InputItem[],
    candidates: readonly Candidate[],
    windowTokens: number | null,
    refusal: CollectedRefusal | null,
  ): Promise<Summary> {
    const { call, request } = this.asked;
    const { books } = this;
    const { knowledge, settings } = this.all;
    const { instruction } = settings;
    const { headers } = request;
    try {
      const tools = { call, headers, candidates, knowledge, books, instruction, windowTokens };
      return await new ConversationSummary(tools).write(items);
    } catch (error) {
      // Both were refused: what the upstream said to the client's own call is nearer to the cause.
      if (error instanceof RefusedSummaryError && refusal) throw new RefusedSummaryError(refusal);
      throw error;
    }
  }

  private told(output: readonly Json[], usage: TokenUsage | null): FinalAnswer {
    const { request, call, form } = this.asked;
    const { record } = request;
    const answer = {
      id: record.ownResponseId,
      createdAtSeconds: Math.floor(record.startedAtMs / 1000),
      completedAtSeconds: this.nowSeconds(),
      model: call.model,
      output,
      usage,
    };
    return form === 'endpoint'
      ? jsonAnswer(compactionObject(answer))
      : responseAnswer(triggeredResponse(answer), record);
  }

  private nowSeconds(): number {
    return Math.floor(this.all.keeper.clock.now() / 1000);
  }

  /** What there is would be kept as it is, all of it. */
  private unchanged(sentBody: Buffer): FinalAnswer {
    const { request, form } = this.asked;
    const { record } = request;
    const items = readInputItems(sentBody) ?? [];
    this.books.settle();
    record.noteAnswered(record.ownResponseId);
    const output = items.map((item) => item.read());
    this.books.note({ form, by: null, ...this.sizes(items, output, 0), itemsAfter: output.length, chunks: 0 });
    return this.told(output, null);
  }

  private sizes(before: readonly InputItem[], after: readonly object[], tokensMore: number) {
    let bytesBefore = 0;
    for (const { scan } of before) bytesBefore += scan.end - scan.start;
    const bytesAfter = after.length === 0 ? 0 : Buffer.byteLength(JSON.stringify(after));
    return {
      tokensBefore: this.books.tokensOf(bytesBefore),
      tokensAfter: this.books.tokensOf(bytesAfter) + tokensMore,
      itemsBefore: before.length,
    };
  }
}

/** Statuses of an upstream that is busy: they tell nothing of what it knows. */
const PASSING = new Set([401, 402, 403, 408, 429, 503, 504, 529]);

function verdictOf(answer: CollectedResponseAnswer | CollectedRefusal, form: 'endpoint' | 'trigger'): NativeVerdict {
  return answer.kind === 'refusal' ? verdictOfRefusal(answer, form) : verdictOfAnswer(answer, form);
}

function droppedNote(count: number): string {
  return `(Besides, the ${count} oldest messages of the user are part of this summary only: together with the others they would not have fitted into the context window.)`;
}
