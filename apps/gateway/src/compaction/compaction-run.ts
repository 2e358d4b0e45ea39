import { compactionItem, isKept, keptMessage, modelFamily, summaryItems } from '@app/compaction';
import type { ModelPrice } from '@app/models';
import { type GatewayError, type InputItem, readInputItems, responseEvents } from '@app/protocol';
import type { Candidate } from '@app/upstreams';
import { wrappedRefusal } from '../responses/attempt-failures.js';
import { ForwardedResponse, type Makers } from '../responses/forwarded-response.js';
import { CallBooks, NobodyWaitsError } from './call-books.js';
import type { CompactionCall, CompactionTools } from './compaction-call.js';
import type { CollectedAnswer } from './collected-call.js';
import type { FinalAnswer } from './compaction-reply.js';
import { ConversationSummary, RefusedSummaryError } from './conversation-summary.js';
import { compactionObject, type EmulatedAnswer, triggeredResponse } from './emulated-answer.js';
import { keptWithin } from './kept-messages.js';
import { type NativeVerdict, verdictOfAnswer, verdictOfRefusal } from './native-verdict.js';
import { isNothingToCompact } from './nothing-to-compact.js';
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
  private readonly makers: Makers;
  private readonly price: ModelPrice | null;

  constructor(
    private readonly all: CompactionTools,
    private readonly asked: CompactionCall,
    signal: AbortSignal,
  ) {
    const { catalog, routing, keeper, origins } = all;
    this.makers = { origins, turnStates: keeper.turnStates };
    this.price = catalog.find(asked.call.model)?.price ?? null;
    this.books = new CallBooks(asked.request.record, routing, keeper, signal, this.price);
    this.books.note({ ...UNKNOWN, form: asked.form });
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
      if (error instanceof RefusedSummaryError) return this.refusal(error.refusal);
      // What was used before it failed has been billed.
      this.books.settle();
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
    const forwarded = new ForwardedResponse(call, request.headers, route, natives, this.makers);
    const answer = await this.books.call(forwarded, call.raw.length);
    if (answer.kind === 'failure') return this.afterFailure(natives, answer);
    const { candidate } = answer;
    const isAuto = candidate.upstream.compaction === 'auto';
    const verdict: NativeVerdict = isAuto ? verdictOf(answer, form) : 'answered';
    if (verdict === 'answered' || verdict === 'refused') {
      if (answer.kind === 'refusal') return this.refusal(answer);
      this.all.supports.note(candidate.upstream, form, true);
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

  /** The upstream's own compaction, as it came. */
  private passedOn(answer: Answer): FinalAnswer {
    const { call, form, request } = this.asked;
    const { record, caller } = request;
    const { response, summary, isEventStream, bytes, headers } = answer;
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
    if (!record.stream) return { status: 200, contentType: JSON_TYPE, bytes: response, headers };
    if (isEventStream) return { status: 200, contentType: EVENTS_TYPE, bytes, headers };
    return { ...this.streamed(JSON.parse(response.toString('utf8')) as Json), headers };
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
    const id = `resp_${record.id.replaceAll('-', '')}`;
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
    const { makers, books } = this;
    const { instruction } = this.all.settings;
    const { headers } = request;
    try {
      const tools = { call, headers, candidates, makers, books, instruction, windowTokens };
      return await new ConversationSummary(tools).write(items);
    } catch (error) {
      // Both were refused: what the upstream said to the client's own call is nearer to the cause.
      if (error instanceof RefusedSummaryError && refusal) throw new RefusedSummaryError(refusal);
      throw error;
    }
  }

  private told(answer: EmulatedAnswer): FinalAnswer {
    if (this.asked.form === 'endpoint') return jsonAnswer(compactionObject(answer));
    const response = triggeredResponse(answer);
    return this.asked.request.record.stream ? { ...this.streamed(response), headers: {} } : jsonAnswer(response);
  }

  private streamed(response: Json): Omit<FinalAnswer, 'headers'> {
    const id = `resp_${this.asked.request.record.id.replaceAll('-', '')}`;
    return { status: 200, contentType: EVENTS_TYPE, bytes: Buffer.concat([...responseEvents(response, id)]) };
  }

  /** What there is would be kept as it is, all of it. */
  private unchanged(sentBody: Buffer): FinalAnswer {
    const { call, request, form } = this.asked;
    const { record } = request;
    const items = readInputItems(sentBody) ?? [];
    this.books.settle();
    const id = `resp_${record.id.replaceAll('-', '')}`;
    record.noteAnswered(id);
    const output = items.map((item) => item.read());
    this.books.note({ form, by: null, ...this.sizes(items, output, 0), itemsAfter: output.length, chunks: 0 });
    const createdAtSeconds = Math.floor(this.all.keeper.clock.now() / 1000);
    return this.told({ id, createdAtSeconds, model: call.model, output, usage: null });
  }

  /** The upstream's own words, unless they are in no shape that a client reads. */
  private refusal({ status, headers, bytes, summary }: Refusal): FinalAnswer {
    const { record } = this.asked.request;
    this.books.settle();
    record.errorCode = summary?.errorCode ?? null;
    record.errorMessage = summary?.errorMessage ?? `the upstream answered ${status}`;
    const isReadable = summary !== null && summary.errorMessage !== null;
    const body = isReadable ? bytes : wrappedRefusal(status, headers, bytes, summary !== null);
    return { status: status === 501 ? 400 : status, contentType: JSON_TYPE, bytes: body, headers };
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

type Json = Readonly<Record<string, unknown>>;

const JSON_TYPE = 'application/json';
const EVENTS_TYPE = 'text/event-stream';
const UNKNOWN = {
  by: null,
  tokensBefore: null,
  tokensAfter: null,
  itemsBefore: null,
  itemsAfter: null,
  chunks: null,
} as const;

function verdictOf(answer: Answer | Refusal, form: 'endpoint' | 'trigger'): NativeVerdict {
  return answer.kind === 'refusal' ? verdictOfRefusal(answer, form) : verdictOfAnswer(answer, form);
}

function outputOf(response: Buffer): Json[] {
  const { output } = JSON.parse(response.toString('utf8')) as { output?: unknown };
  return Array.isArray(output) ? (output as Json[]) : [];
}

function jsonAnswer(value: Json): FinalAnswer {
  return { status: 200, contentType: JSON_TYPE, bytes: Buffer.from(JSON.stringify(value)), headers: {} };
}

function droppedNote(count: number): string {
  return `(Besides, the ${count} oldest messages of the user are part of this summary only: together with the others they would not have fitted into the context window.)`;
}
