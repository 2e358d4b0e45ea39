import type { IncomingHttpHeaders } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { isCompactionType, transcriptOf } from '@app/compaction';
import { errors, type InputItem, readResponseCall, type ResponseCall } from '@app/protocol';
import type { Candidate } from '@app/upstreams';
import { ForwardedResponse } from '../responses/forwarded-response.js';
import type { UpstreamKnowledge } from '../responses/upstream-knowledge.js';
import { type CallBooks, NobodyWaitsError } from './call-books.js';
import type { CollectedRefusal } from './collected-call.js';
import { isTooLong } from './native-verdict.js';
import { copiedMembers, summaryBody, summaryTextOf } from './summary-call.js';
import { PartTooLongError, type Summary, Summarizer } from './summarizer.js';

/** The upstream did not take the call for a summary. */
export class RefusedSummaryError extends Error {
  constructor(readonly refusal: CollectedRefusal) {
    super(`the upstream refused the call for a summary with ${refusal.status}`);
  }
}

const TOO_MANY_REQUESTS = 429;
const RETRIES_MAX = 2;
const PAUSE_MS_DEFAULT = 2_000;
const PAUSE_MS_MAX = 30_000;
const BUSY_MS = 100;
const BUSY_MS_MAX = 60_000;

/** What a conversation is summarised with. */
export interface SummaryTools {
  readonly call: ResponseCall;
  readonly headers: IncomingHttpHeaders;
  /** In the order in which they are to be tried. */
  readonly candidates: readonly Candidate[];
  readonly knowledge: UpstreamKnowledge;
  readonly books: CallBooks;
  readonly instruction: string;
  /** null: not known */
  readonly windowTokens: number | null;
}

/** Has the session's own model summarise a conversation, by ordinary calls. */
export class ConversationSummary {
  private candidates: readonly Candidate[];
  private readonly copied: Readonly<Record<string, string>>;
  private carried: readonly string[] = [];

  constructor(private readonly tools: SummaryTools) {
    this.candidates = tools.candidates;
    this.copied = copiedMembers(tools.call.raw);
  }

  /**
   * @throws RefusedSummaryError when the upstream did not take the call
   * @throws GatewayError when there is no summary to be had
   * @throws NobodyWaitsError
   */
  write(items: readonly InputItem[]): Promise<Summary> {
    const { raw } = this.tools.call;
    this.carried = items.filter(isCarried).map(({ scan }) => raw.toString('utf8', scan.start, scan.end));
    return this.writeOf(transcriptOf(items.filter((item) => !isCarried(item))));
  }

  /** The same for a conversation that is text already. */
  writeOf(texts: Iterable<string>): Promise<Summary> {
    const { books, windowTokens } = this.tools;
    const controller = new AbortController();
    const signal = AbortSignal.any([books.signal, controller.signal]);
    const stop = (): void => controller.abort();
    return new Summarizer((asked) => this.ask(asked, signal), stop, windowTokens).summarize(texts);
  }

  private async ask(texts: readonly string[], signal: AbortSignal): Promise<string> {
    const { call, instruction, books } = this.tools;
    const body = summaryBody({ model: call.model, instruction, carried: this.carried, texts }, this.copied);
    const answer = await this.called(readResponseCall(body), signal);
    if (answer.kind === 'failure') throw answer.error;
    if (answer.kind === 'refusal') {
      throw isTooLong(answer) ? new PartTooLongError('too long for the model') : new RefusedSummaryError(answer);
    }
    books.noteUsage(answer);
    this.prefer(answer.candidate);
    const { status, errorCode, errorMessage } = answer.summary;
    if (errorCode === 'context_length_exceeded') throw new PartTooLongError('too long for the model');
    if (status === 'failed') throw errors.compactionFailed(errorMessage ?? errorCode ?? 'the model failed');
    return summaryTextOf(answer.response);
  }

  /** One call for a summary; an upstream that is busy, or asks for a pause, is waited for. */
  private async called(call: ResponseCall, signal: AbortSignal) {
    const { headers, knowledge, books } = this.tools;
    let waitedMs = 0;
    for (let retries = 0; ;) {
      // Parts are asked for at the same time, and must not exceed what an upstream may get at once.
      const free = this.candidates.filter((candidate) => books.routing.isUsable(candidate));
      if (free.length === 0) {
        if (waitedMs >= BUSY_MS_MAX) throw errors.noUpstream(call.model);
        await pause(BUSY_MS, signal);
        waitedMs += BUSY_MS;
        continue;
      }
      const forwarded = new ForwardedResponse(call, headers, '/responses', free, knowledge);
      const answer = await books.call(forwarded, call.raw.length, signal);
      const isLimited = answer.kind === 'failure' && answer.failure.status === TOO_MANY_REQUESTS;
      const pauseMs = isLimited ? (answer.failure.pauseMs ?? PAUSE_MS_DEFAULT) : Infinity;
      if (pauseMs > PAUSE_MS_MAX || retries++ >= RETRIES_MAX) return answer;
      await pause(pauseMs, signal);
    }
  }

  /** Who has answered is asked first for the next part. */
  private prefer(candidate: Candidate): void {
    if (this.candidates[0] === candidate) return;
    this.candidates = [candidate, ...this.candidates.filter((other) => other !== candidate)];
  }
}

/** Whether an item says something only to the upstream that made or holds it: it goes along as it is. */
function isCarried({ type }: InputItem): boolean {
  return type === 'item_reference' || isCompactionType(type);
}

/** @throws NobodyWaitsError */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => undefined);
  if (signal.aborted) throw new NobodyWaitsError('nobody waits for the compaction');
}
