import { setTimeout as delay } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import {
  cutAt,
  cutsOf,
  fingerprintOfItems,
  type InputCut,
  shortenedInput,
  summarizedItems,
  transcriptOf,
} from '@app/compaction';
import type { CompactionNote } from '@app/journal';
import { type InputItem, readInputItems, readResponseCall, type ResponseCall, withMembers } from '@app/protocol';
import { pooledMemoryOf } from '@app/runtime';
import { TokenEstimator } from '@app/token-estimate';
import { affinityOf } from '../responses/affinity.js';
import { type SideCompaction, SideCompactions, type SideSummary } from './side-compactions.js';

const SESSIONS_MAX = 2_000;
const SESSION_MS = 4 * 3_600_000;
/** No text has more tokens than that: what stays below the limit by this measure need not be counted. */
const TOKENS_PER_BYTE_MAX = 0.5;
const TOKENS_PER_BYTE = 0.25;
/** An estimate that takes longer is not waited for: others may have filled its queue. */
const ESTIMATE_MS_MAX = 500;
/** So little is not worth another summary when there is one already. */
const WORTH_BYTES_MIN = 8 * 1024;

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

  /** Whether a call's input may be larger than so many tokens: by its bytes, at once. */
  mayExceed({ raw }: ResponseCall, tokensMax: number): boolean {
    return raw.length * TOKENS_PER_BYTE_MAX > tokensMax;
  }

  /** Whether a call's input is larger than so many tokens; an estimate, which is only made where the bytes leave it open. */
  async exceeds(call: ResponseCall, tokensMax: number): Promise<boolean> {
    return this.mayExceed(call, tokensMax) && (await this.tokensOf(call.raw)) > tokensMax;
  }

  /**
   * The call with less in it; null when it cannot be made short enough. For a threshold, which is no more than a wish, less is
   * enough.
   *
   * @throws GatewayError when there is no summary to be had: then nothing is held, either
   * @throws NobodyWaitsError
   */
  async shortened(asked: SideCompaction, tokensMax: number): Promise<ShortenedCall | null> {
    const items = readInputItems(asked.call.raw) ?? [];
    const held = this.heldFor(asked, items);
    if (held) {
      const again = this.applied(asked, items, held.cut, held.text);
      const isEnough = asked.form === 'threshold' && bytesBehind(items, held.cut) < WORTH_BYTES_MIN;
      if (isEnough || !(await this.exceeds(again.call, tokensMax))) return again;
    }
    const cut = await this.cutFor(asked, items, tokensMax);
    if (!cut) return null;
    const written = await this.written(asked, items, cut, held);
    const shortened = this.applied(asked, items, cut, written.text);
    const note = {
      ...shortened.note,
      tokensBefore: written.tokensOf(asked.call.raw.length),
      tokensAfter: written.tokensOf(shortened.call.raw.length),
      chunks: written.chunks,
      requestId: written.requestId,
    };
    return { ...shortened, note };
  }

  /** The first cut that leaves few enough, before anything is paid for. */
  private async cutFor(
    asked: SideCompaction,
    items: readonly InputItem[],
    tokensMax: number,
  ): Promise<InputCut | null> {
    const cuts = cutsOf(items);
    for (const cut of cuts) {
      if (!(await this.exceeds(this.applied(asked, items, cut, '').call, tokensMax))) return cut;
    }
    return asked.form === 'threshold' ? (cuts.at(-1) ?? null) : null;
  }

  /** A new summary, which goes on from the one that is held. */
  private async written(
    asked: SideCompaction,
    items: readonly InputItem[],
    cut: InputCut,
    held: HeldSummary | null,
  ): Promise<SideSummary> {
    const isFurther = held !== null && held.cut.count <= cut.count;
    const told = isFurther ? [`[earlier summary]\n${held.text}`] : [];
    const behind = summarizedItems(items, cut).slice(isFurther ? held.cut.count : 0);
    const written = await this.side.write(asked, joined(told, transcriptOf(behind)));
    const session = sessionOf(asked);
    if (session !== null && cut.moved.size === 0) {
      const fingerprint = fingerprintOfItems(asked.call.raw, items.slice(0, cut.count));
      this.sessions.set(session, { count: cut.count, fingerprint, text: written.text });
    }
    return written;
  }

  private applied(
    { call, form }: SideCompaction,
    items: readonly InputItem[],
    cut: InputCut,
    summary: string,
  ): ShortenedCall {
    const shortened = shortenedInput(call.raw, items, cut, summary);
    const input = { name: 'input', json: `[${shortened.join(',')}]` };
    const shorter = readResponseCall(withMembers(call.raw, [input]));
    const note: CompactionNote = {
      form,
      by: 'gateway',
      tokensBefore: Math.round(call.raw.length * TOKENS_PER_BYTE),
      tokensAfter: Math.round(shorter.raw.length * TOKENS_PER_BYTE),
      itemsBefore: items.length,
      itemsAfter: shortened.length,
      chunks: null,
      requestId: null,
    };
    return { call: shorter, note, summary, tail: items.slice(cut.count) };
  }

  /** null when there is none, or the session's history is not what it was. */
  private heldFor(asked: SideCompaction, items: readonly InputItem[]): HeldSummary | null {
    const session = sessionOf(asked);
    const held = session === null ? undefined : this.sessions.get(session);
    if (!held || held.count > items.length) return null;
    const cut = cutAt(items, held.count);
    if (cut.moved.size > 0) return null;
    const isSame = fingerprintOfItems(asked.call.raw, items.slice(0, held.count)) === held.fingerprint;
    return isSame ? { cut, text: held.text } : null;
  }

  private async tokensOf(raw: Buffer): Promise<number> {
    const over = new AbortController();
    // Its memory must stay what it is until the estimate has been made, whoever waits for it.
    const memory = pooledMemoryOf(raw);
    memory?.retain();
    const estimate = this.estimator.estimate(raw).finally(() => memory?.release());
    try {
      const timeIsUp = delay(ESTIMATE_MS_MAX, null, { signal: over.signal }).catch(() => null);
      return (await Promise.race([estimate.catch(() => null), timeIsUp])) ?? raw.length * TOKENS_PER_BYTE;
    } finally {
      over.abort();
    }
  }
}

/** A summary that can stand for the head of an input. */
interface HeldSummary {
  readonly cut: InputCut;
  readonly text: string;
}

function sessionOf({ request, call }: SideCompaction): string | null {
  const session = affinityOf(call, request.headers, request.caller);
  return session === null ? null : `${session} ${call.model}`;
}

function bytesBehind(items: readonly InputItem[], { count }: InputCut): number {
  return items.slice(count).reduce((sum, { scan }) => sum + scan.end - scan.start, 0);
}

function* joined(first: readonly string[], rest: Iterable<string>): Generator<string, void> {
  yield* first;
  yield* rest;
}
