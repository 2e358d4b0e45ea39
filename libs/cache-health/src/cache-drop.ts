import type { CacheDrop } from '@app/contract';
import type { PrefixChange } from './prefix-fingerprint.js';

/** Why a turn read less from the prompt cache than the one before it gave reason to expect; the first that holds. */
export type CacheDropCause = CacheDrop['cause'];

/** Shorter prompts are not cached, by OpenAI's guide to prompt caching. */
export const CACHED_TOKENS_MIN = 1_024;
/** A turn that reads less than this share of what is expected has lost the cache; above it only the last blocks are missing. */
const KEPT_SHARE = 0.5;

/** A turn, as soon as its usage is known. */
export interface Turn {
  /** Public id. */
  readonly requestId: string;
  readonly model: string | null;
  readonly servedModel: string | null;
  readonly upstreamId: string;
  readonly upstreamName: string | null;
  readonly inputTokens: number;
  readonly cachedTokens: number;
  /** Of its answer; null: it is not known. */
  readonly responseId: string | null;
  /** What stands at the provider, and its input is added to; both null: its input is the whole. */
  readonly previousResponseId: string | null;
  readonly conversationId: string | null;
  /** Names the last compaction that its input carries; null: it carries none. */
  readonly compaction: string | null;
  /** Whether its input was made shorter, or its answer is to take the place of the conversation. */
  readonly isCompacting: boolean;
}

/** What the turn after it needs to know of a turn that was answered. */
export interface AnsweredTurn extends Turn {
  readonly answeredAtMs: number;
  /** Which turn of the warm session it was, from 1 on. */
  readonly number: number;
  /** Whether its upstream has been seen to read its model's prompts from a cache. */
  readonly isCacheKnown: boolean;
  /** Whether a compaction was asked for after it. */
  wasCompacted: boolean;
}

/** What has changed between two turns. */
export interface TurnChange extends PrefixChange {
  /** Of the item that is not as it was. */
  readonly itemType: string | null;
  /** From the answer of the one to the call of the other. */
  readonly idleMs: number;
}

/**
 * Whether a turn has lost the cache that the one before it had, and why; null: it has not, or there was none. A client that changes
 * its model often changes its instructions with it, and the cache is another one in any case: the model comes before the body. The
 * upstream, which is the gateway's choice, comes behind it: a body that has changed would have been read anew anywhere.
 *
 * @param previous the last answered turn of a session that is warm
 */
export function cacheDropOf(previous: AnsweredTurn, turn: Turn, change: TurnChange): CacheDrop | null {
  if (!follows(previous, turn)) return null;
  // The first turn may find nothing in the cache; from the second on the beginning is there, if there is a cache at all.
  const isWarm = previous.cachedTokens > 0 || (previous.number >= 2 && previous.isCacheKnown);
  const expectedTokens = Math.min(previous.inputTokens, turn.inputTokens);
  if (!isWarm || expectedTokens < CACHED_TOKENS_MIN || turn.cachedTokens >= expectedTokens * KEPT_SHARE) return null;
  const cause = causeOf(previous, turn, change);
  const { brokenAt, itemType, idleMs } = change;
  const itemIndex = cause === 'input' && brokenAt?.part === 'input' ? brokenAt.itemIndex : null;
  return {
    cause,
    item_index: itemIndex,
    item_type: itemIndex === null ? null : itemType,
    expected_tokens: expectedTokens,
    cached_tokens: turn.cachedTokens,
    idle_ms: Math.max(0, Math.round(idleMs)),
    previous_request_id: previous.requestId,
  };
}

/** Whether what stands at the provider is what it was behind the turn before; else nothing can be compared. */
function follows(previous: AnsweredTurn, { previousResponseId, conversationId }: Turn): boolean {
  if (conversationId !== previous.conversationId) return false;
  return previousResponseId === null
    ? previous.previousResponseId === null
    : previousResponseId === previous.responseId;
}

function causeOf(previous: AnsweredTurn, turn: Turn, { brokenAt }: TurnChange): CacheDropCause {
  const isCompacted = previous.isCompacting || previous.wasCompacted || turn.isCompacting;
  if (isCompacted || previous.compaction !== turn.compaction) return 'compaction';
  if (previous.model !== turn.model) return 'model';
  if (brokenAt) return brokenAt.part;
  if (previous.upstreamId !== turn.upstreamId) return 'upstream';
  // Under one name, from one upstream: the name stands for another model now.
  return previous.servedModel === turn.servedModel ? 'unknown' : 'model';
}
