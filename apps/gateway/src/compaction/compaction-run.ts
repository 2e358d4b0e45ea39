import { compactionItem, isKept, keptMessage, modelFamily, summaryItems } from '@app/compaction';
import type { ModelPrice } from '@app/models';
import { encryptedContentFingerprint, type GatewayError, type InputItem, readInputItems } from '@app/protocol';
import type { Candidate } from '@app/upstreams';
import { ForwardedResponse, type UpstreamKnowledge } from '../responses/forwarded-response.js';
import { CallBooks, NobodyWaitsError } from './call-books.js';
import type { CompactionCall, CompactionTools } from './compaction-call.js';
import type { CollectedAnswer } from './collected-call.js';
import { ConversationSummary, RefusedSummaryError } from './conversation-summary.js';
import { compactionObject, type EmulatedAnswer, triggeredResponse } from './emulated-answer.js';
import {
  type FinalAnswer,
  jsonAnswer,
  outputOf,
  ownResponseId,
  refusalAnswer,
  responseAnswer,
  upstreamsAnswer,
} from './final-answer.js';
import { keptWithin } from './kept-messages.js';
import { type NativeVerdict, verdictOfAnswer, verdictOfRefusal } from './native-verdict.js';
import { isNothingToCompact } from './nothing-to-compact.js';
import { NOTHING_KNOWN } from './side-compactions.js';
import type { Summary } from './summarizer.js';

type Answer = Extract<CollectedAnswer, { kind: 'answer' }>;
type Refusal = Extract<CollectedAnswer, { kind: 'refusal' }>;

/** Where the gateway's own compaction is to be tried, when an upstream's did not come about. */
interface Remainder {
  readonly candidates: readonly Candidate[];
  /** What the client is told when that fails, too. */
  readonly refusal: Refusal | null;
  /** Called when it succeeds: then it was the compaction that the upstream did not take. */
  learn(): void;
}

/** One compaction, from the first upstream that is asked to the answer. */
export class CompactionRun {
  private readonly books: CallBooks;
  private readonly knowledge: UpstreamKnowledge;
  private readonly price: ModelPrice | null;

  constructor(
    private readonly all: CompactionTools,
    private readonly asked: CompactionCall,
    signal: AbortSignal,
  ) {
    const { catalog, routing, keeper, origins, supports } = all;
    this.knowledge = { origins, turnStates: keeper.turnStates, supports };
    this.price = catalog.find(asked.call.model)?.price ?? null;
    this.books = new CallBooks(asked.request.record, routing, keeper, signal, this.price);
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
      throw error;
    }
  }

  private everyone(): Remainder {
    return { candidates: this.asked.candidates, refusal: null, learn: () => undefined };
  }

  /** Those at the head of the line that know compaction, or have not been asked yet. */
  private leadingNatives(): readonly Candidate[] {
    const { candidates } = this.asked;
    const end = candidates.findIndex(({ upstream }) => this.all.supports.of(upstream, this.asked.form) === 'emulate');
    return end === -1 ? candidates : candidates.slice(0, end);
  }

  /** Has an upstream compact. */
  private async native(natives: readonly Candidate[]): Promise<FinalAnswer | Remainder> {
    const { call, form, request } = this.asked;
    const route = form === 'endpoint' ? '/responses/compact' : '/responses';
    const forwarded = new ForwardedResponse(call, request.headers, route, natives, this.knowledge);
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
      this.all.supports.note(candidate.upstream, form, true);
      await this.keepHistory(answer);
      return this.passedOn(answer);
    }
    if (answer.kind === 'answer') this.books.noteUsage(answer);
    if (verdict === 'unknown_form') this.all.supports.note(candidate.upstream, form, false);
    return this.remainderFrom(candidate, answer.kind === 'refusal' && verdict === 'unclear' ? answer : null);
  }

  /** No upstream that knows compaction could be reached; those that do not, or may not, are left. */
  private afterFailure(
    natives: readonly Candidate[],
    { error, failure }: { error: GatewayError; failure: { kind: string; status: number | null } },
  ): Remainder {
    const { candidates, form } = this.asked;
    const rest = candidates.slice(natives.length);
    // Some answer what they do not know with a failure.
    const mayNotKnow = (failure.kind === 'refused' || failure.kind === 'unusable') && failure.status !== 429;
    const last = natives.find(({ upstream }) => upstream.id === this.asked.request.record.upstreamId);
    if (mayNotKnow && last && this.all.supports.of(last.upstream, form) === 'unknown') {
      return { ...this.remainderFrom(last, null), candidates: [...rest, last] };
    }
    if (rest.length === 0) throw error;
    return { candidates: rest, refusal: null, learn: () => undefined };
  }

  private remainderFrom(candidate: Candidate, refusal: Refusal | null): Remainder {
    const { candidates, form } = this.asked;
    const others = candidates.slice(candidates.indexOf(candidate) + 1);
    const learn = (): void => this.all.supports.note(candidate.upstream, form, false);
    return { candidates: [candidate, ...others], refusal, learn };
  }

  /** Should its maker be lost, the session can go on all the same. */
  private async keepHistory({ response }: Answer): Promise<void> {
    const { request, call } = this.asked;
    for (const { type, encrypted_content: content } of outputOf(response)) {
      if (type !== 'compaction' || typeof content !== 'string') continue;
      await this.all.lost.keep(request.caller.group.id, call, encryptedContentFingerprint(content));
    }
  }

  /** The upstream's own compaction, as it came. */
  private passedOn(answer: Answer): FinalAnswer {
    const { call, form, request } = this.asked;
    const { record, caller } = request;
    const { response, summary, isEventStream } = answer;
    const rule = this.all.created.rule({
      groupId: caller.group.id,
      call,
      price: this.price,
      record,
      isStorable: form === 'trigger',
    });
    rule.settle(summary, isEventStream ? 'terminal_event' : 'response_body', response);
    const output = outputOf(response);
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
  private async emulated({ candidates, refusal, learn }: Remainder): Promise<FinalAnswer> {
    const { call, form, request, sentBody } = this.asked;
    const items = (readInputItems(call.raw) ?? []).filter(({ type }) => type !== 'compaction_trigger');
    if (form === 'endpoint' && isNothingToCompact(call.raw, items)) return this.unchanged(sentBody);
    const windowTokens = this.all.catalog.find(call.model)?.contextWindowTokens ?? null;
    const summary = await this.summaryOf(items, candidates, windowTokens, refusal);
    learn();
    const kept = form === 'endpoint' ? keptWithin(items.filter(isKept), windowTokens) : { messages: [], dropped: 0 };
    const { record, caller } = request;
    const text = kept.dropped === 0 ? summary.text : `${summary.text}\n\n${droppedNote(kept.dropped)}`;
    const createdAtSeconds = Math.floor(this.all.keeper.clock.now() / 1000);
    const origin = { groupId: caller.group.id, modelFamily: modelFamily(call.model), createdAtSeconds };
    const sealed = this.all.seal.seal(text, origin);
    const output =
      form === 'endpoint'
        ? [...kept.messages.map(keptMessage), ...summaryItems(text, sealed, caller.group.compactionOutput)]
        : [compactionItem(sealed)];
    this.books.settle();
    const id = ownResponseId(record);
    record.noteAnswered(id);
    const after = [...kept.messages.map(keptMessage), { text }];
    this.books.note({
      form,
      by: 'gateway',
      ...this.sizes(items, after, 0),
      itemsAfter: output.length,
      chunks: summary.chunks,
    });
    return this.told({ id, createdAtSeconds, model: call.model, output, usage: record.usage });
  }

  private async summaryOf(
    items: readonly InputItem[],
    candidates: readonly Candidate[],
    windowTokens: number | null,
    refusal: Refusal | null,
  ): Promise<Summary> {
    const { call, request } = this.asked;
    const { knowledge, books } = this;
    const { instruction } = this.all.settings;
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

  private told(answer: EmulatedAnswer): FinalAnswer {
    if (this.asked.form === 'endpoint') return jsonAnswer(compactionObject(answer));
    return responseAnswer(triggeredResponse(answer), this.asked.request.record);
  }

  /** What there is would be kept as it is, all of it. */
  private unchanged(sentBody: Buffer): FinalAnswer {
    const { call, request, form } = this.asked;
    const { record } = request;
    const items = readInputItems(sentBody) ?? [];
    this.books.settle();
    const id = ownResponseId(record);
    record.noteAnswered(id);
    const output = items.map((item) => item.read());
    this.books.note({ form, by: null, ...this.sizes(items, output, 0), itemsAfter: output.length, chunks: 0 });
    const createdAtSeconds = Math.floor(this.all.keeper.clock.now() / 1000);
    return this.told({ id, createdAtSeconds, model: call.model, output, usage: null });
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

function verdictOf(answer: Answer | Refusal, form: 'endpoint' | 'trigger'): NativeVerdict {
  return answer.kind === 'refusal' ? verdictOfRefusal(answer, form) : verdictOfAnswer(answer, form);
}

function droppedNote(count: number): string {
  return `(Besides, the ${count} oldest messages of the user are part of this summary only: together with the others they would not have fitted into the context window.)`;
}
