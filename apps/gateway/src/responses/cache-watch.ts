import type { IncomingHttpHeaders } from 'node:http';
import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import {
  cacheDropOf,
  type PrefixChange,
  prefixChange,
  prefixFingerprint,
  PrefixWatch,
  type WatchedTurn,
} from '@app/cache-health';
import { CACHE_DROP_CAUSES, type CacheDrop } from '@app/contract';
import { type RequestRecord, storable, type UsageWatch } from '@app/journal';
import { itemTypeAt, prefixParts, type ResponseCall, type TokenUsage } from '@app/protocol';
import { Clock } from '@app/runtime';
import { isCompaction } from '../compaction/lost-compactions.js';
import type { GatewayRequest } from '../http/gateway-request.js';
import { CacheAlerts } from './cache-alerts.js';

/** How long a session is warm: providers keep a prefix that nobody asks for at least so long (OpenAI: 5 to 10 minutes). */
const WARM_MS = 5 * 60_000;
const SESSIONS_MAX = 10_000;
/** 16 MB. */
const ITEMS_MAX = 2_000_000;
const CACHES_MAX = 1_000;
/** As the log keeps them; longer ones would be a way to fill the memory. */
const NAME_LENGTH_MAX = 128;
const TYPE_LENGTH_MAX = 64;

const SAME: PrefixChange = { keptItems: 0, brokenAt: null };

/** Sees when a session that should be served from the provider's prompt cache is not any more, and what broke its prefix. */
@Injectable()
export class CacheWatch {
  /** Since start, for metrics. */
  readonly drops = new Map<CacheDrop['cause'], number>(CACHE_DROP_CAUSES.map((cause) => [cause, 0]));
  readonly turns: PrefixWatch;
  /** Models of upstreams that have read from a cache. */
  private readonly caches = new LRUCache<string, true>({ max: CACHES_MAX });

  constructor(
    readonly clock: Clock,
    private readonly alerts: CacheAlerts,
  ) {
    this.turns = new PrefixWatch({ sessionsMax: SESSIONS_MAX, itemsMax: ITEMS_MAX, idleMsMax: WARM_MS }, () =>
      clock.monotonic(),
    );
  }

  /**
   * A call is about to be sent. One without a session costs nothing; of others the body is read once more.
   *
   * @param sent as the client sent it
   * @param call as it goes out
   */
  asking({ record, headers }: GatewayRequest, sent: ResponseCall, call: ResponseCall): void {
    const session = sessionOf(record, headers);
    if (session !== null) record.usageWatch = new WatchedCall(this, session, sent, call);
  }

  /** What the session has had is about to be made shorter: its next call will begin in another way. */
  compacting({ record, headers }: GatewayRequest): void {
    const session = sessionOf(record, headers);
    const turn = session === null ? null : this.turns.lastTurn(session);
    if (turn) turn.wasCompacted = true;
  }

  /** Whether an upstream was seen to read a model's prompts from a cache. */
  isCacheKnown(upstreamId: string, model: string | null, cachedTokens: number): boolean {
    const key = `${upstreamId} ${model ?? ''}`;
    if (cachedTokens > 0) this.caches.set(key, true);
    return this.caches.has(key);
  }

  dropped(record: RequestRecord, drop: CacheDrop, previous: WatchedTurn): void {
    this.drops.set(drop.cause, (this.drops.get(drop.cause) ?? 0) + 1);
    this.alerts.observe(record, drop, previous);
  }
}

/** A call of a session on its way. It holds nothing of the body. */
class WatchedCall implements UsageWatch {
  private readonly previous: WatchedTurn | null;
  private readonly fingerprint: WatchedTurn['fingerprint'];
  private readonly change: PrefixChange;
  private readonly itemType: string | null;
  private readonly compaction: string | null;
  private readonly previousResponseId: string | null;
  private readonly conversationId: string | null;
  private readonly askedAtMs: number;

  constructor(
    private readonly watch: CacheWatch,
    private readonly session: string,
    sent: ResponseCall,
    call: ResponseCall,
  ) {
    this.askedAtMs = watch.clock.monotonic();
    this.previousResponseId = call.previousResponseId;
    this.conversationId = call.conversationId;
    const parts = prefixParts(call);
    // What is added to what stands at the provider is no prefix of it.
    const isWhole = call.previousResponseId === null && call.conversationId === null;
    this.fingerprint = prefixFingerprint(call.raw, isWhole ? parts : { ...parts, items: [] });
    this.previous = watch.turns.lastTurn(session);
    this.change = this.previous ? prefixChange(this.previous.fingerprint, this.fingerprint) : SAME;
    const { brokenAt } = this.change;
    this.itemType = brokenAt?.part === 'input' ? storable(itemTypeAt(call, brokenAt.itemIndex), TYPE_LENGTH_MAX) : null;
    this.compaction = sent.encryptedContents.findLast(isCompaction)?.fingerprint ?? null;
  }

  onUsage(record: RequestRecord, { inputTokens, cachedTokens }: TokenUsage): void {
    const { watch, previous, change, itemType, previousResponseId, conversationId } = this;
    const { upstreamId, upstreamName, model, servedModel, responseId } = record;
    if (upstreamId === null || record.responseStatus === 'failed') return;
    // One object of one shape: spreading one into another takes twenty microseconds.
    const turn: WatchedTurn = {
      requestId: record.publicId,
      model,
      servedModel,
      upstreamId,
      upstreamName,
      inputTokens,
      cachedTokens,
      responseId,
      previousResponseId,
      conversationId,
      compaction: this.compaction,
      isCompacting: record.compaction !== null,
      fingerprint: this.fingerprint,
      answeredAtMs: watch.clock.monotonic(),
      number: (previous?.number ?? 0) + 1,
      isCacheKnown: watch.isCacheKnown(upstreamId, model, cachedTokens),
      wasCompacted: false,
    };
    if (previous) {
      const { keptItems, brokenAt } = change;
      const idleMs = this.askedAtMs - previous.answeredAtMs;
      record.cacheDrop = cacheDropOf(previous, turn, { keptItems, brokenAt, itemType, idleMs });
      if (record.cacheDrop) watch.dropped(record, record.cacheDrop, previous);
    }
    watch.turns.answered(this.session, turn);
  }
}

/** Codex's sub-agents share its session, and have threads of their own. null: there is no session, or it is no name. */
function sessionOf({ keyId, sessionId }: RequestRecord, headers: IncomingHttpHeaders): string | null {
  const thread = headers['thread-id'] ?? '';
  if (!sessionId || sessionId.length > NAME_LENGTH_MAX || thread.length > NAME_LENGTH_MAX) return null;
  return `${keyId} ${String(thread)} ${sessionId}`;
}
