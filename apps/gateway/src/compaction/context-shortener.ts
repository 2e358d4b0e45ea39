import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import {
  cutOf,
  fingerprintOfItems,
  type InputCut,
  shortenedInput,
  summarizedItems,
  transcriptOf,
} from '@app/compaction';
import type { CompactionNote } from '@app/journal';
import { type InputItem, readInputItems, readResponseCall, type ResponseCall, withMembers } from '@app/protocol';
import { TokenEstimator } from '@app/token-estimate';
import { affinityOf } from '../responses/affinity.js';
import { type SideCompaction, SideCompactions } from './side-compactions.js';

const SESSIONS_MAX = 2_000;
const SESSION_MS = 4 * 3_600_000;
/** No text has more tokens than that: what stays below the limit by this measure need not be counted. */
const TOKENS_PER_BYTE_MAX = 0.5;
const TOKENS_PER_BYTE = 0.25;

/** What a session's summary stands for. */
interface SessionSummary {
  /** How many items at the head of the input it covers. */
  readonly count: number;
  /** Of those items. */
  readonly fingerprint: string;
  readonly text: string;
}

export interface ShortenedCall {
  readonly call: ResponseCall;
  readonly note: CompactionNote;
  readonly summary: string;
  /** What is told behind the summary. */
  readonly tail: readonly InputItem[];
}

/**
 * Makes calls shorter that are too long for their model, or for what their client wants: the history before the last message of
 * the user becomes a summary. Summaries are held for a time, since the client sends the whole history again with each call.
 */
@Injectable()
export class ContextShortener {
  private readonly sessions = new LRUCache<string, SessionSummary>({ max: SESSIONS_MAX, ttl: SESSION_MS });

  constructor(
    private readonly side: SideCompactions,
    private readonly estimator: TokenEstimator,
  ) {}

  /** Whether a call's input is larger than so many tokens; an estimate, which is only made where the bytes leave it open. */
  async exceeds({ raw }: ResponseCall, tokensMax: number): Promise<boolean> {
    if (raw.length * TOKENS_PER_BYTE_MAX <= tokensMax) return false;
    return (await this.tokensOf(raw)) > tokensMax;
  }

  /**
   * The call with less in it; null when there is nothing in it that could be summarised.
   *
   * @throws GatewayError when there is no summary to be had: then nothing is held, either
   * @throws NobodyWaitsError
   */
  async shortened(asked: SideCompaction, tokensMax: number): Promise<ShortenedCall | null> {
    const { call } = asked;
    const items = readInputItems(call.raw) ?? [];
    const cut = cutOf(items);
    if (!cut) return null;
    const session = this.sessionOf(asked);
    const held = session === null ? null : this.heldFor(session, call.raw, items, cut);
    if (held) {
      const again = this.applied(asked, items, { count: held.count, moved: NONE }, held.text);
      if (!(await this.exceeds(again.call, tokensMax))) return again;
    }
    const behind = summarizedItems(items, cut).slice(held?.count ?? 0);
    const told = held ? [`[earlier summary]\n${held.text}`] : [];
    const written = await this.side.write(asked, joined(told, transcriptOf(behind)));
    if (session !== null && cut.moved.size === 0) {
      const fingerprint = fingerprintOfItems(call.raw, items.slice(0, cut.count));
      this.sessions.set(session, { count: cut.count, fingerprint, text: written.text });
    }
    const shortened = this.applied(asked, items, cut, written.text);
    const note = {
      ...shortened.note,
      tokensBefore: written.tokensOf(call.raw.length),
      tokensAfter: written.tokensOf(shortened.call.raw.length),
      chunks: written.chunks,
      requestId: written.requestId,
    };
    return { ...shortened, note };
  }

  private applied(
    { call, form }: SideCompaction,
    items: readonly InputItem[],
    cut: InputCut,
    summary: string,
  ): ShortenedCall {
    const json = shortenedInput(call.raw, items, cut, summary);
    const shorter = readResponseCall(withMembers(call.raw, [{ name: 'input', json }]));
    const note: CompactionNote = {
      form,
      by: 'gateway',
      tokensBefore: Math.round(call.raw.length * TOKENS_PER_BYTE),
      tokensAfter: Math.round(shorter.raw.length * TOKENS_PER_BYTE),
      itemsBefore: items.length,
      itemsAfter: (readInputItems(shorter.raw) ?? []).length,
      chunks: null,
      requestId: null,
    };
    return { call: shorter, note, summary, tail: items.slice(cut.count) };
  }

  private heldFor(session: string, raw: Buffer, items: readonly InputItem[], cut: InputCut): SessionSummary | null {
    const held = this.sessions.get(session);
    if (!held || held.count > cut.count || cut.moved.size > 0) return null;
    return fingerprintOfItems(raw, items.slice(0, held.count)) === held.fingerprint ? held : null;
  }

  private sessionOf({ request, call }: SideCompaction): string | null {
    const session = affinityOf(call, request.headers, request.caller);
    return session === null ? null : `${session} ${call.model}`;
  }

  private async tokensOf(raw: Buffer): Promise<number> {
    try {
      return await this.estimator.estimate(raw);
    } catch {
      return raw.length * TOKENS_PER_BYTE;
    }
  }
}

const NONE: ReadonlySet<InputItem> = new Set();

function* joined(first: readonly string[], rest: Iterable<string>): Generator<string, void> {
  yield* first;
  yield* rest;
}
