import { LRUCache } from 'lru-cache';
import { itemsOf, type PrefixFingerprint } from './prefix-fingerprint.js';
import type { AnsweredTurn } from './cache-drop.js';

/** What of sessions is held; all of it is in force at once. */
export interface PrefixWatchBounds {
  readonly sessionsMax: number;
  /** Items of all sessions together, of eight bytes each. */
  readonly itemsMax: number;
  /** A session in which nothing was answered for so long is forgotten. */
  readonly idleMsMax: number;
}

/** A turn that was answered, and how its call began. */
export interface WatchedTurn extends AnsweredTurn {
  readonly fingerprint: PrefixFingerprint;
}

/** The last answered turn of each session that is warm. Those that were idle longest make room. */
export class PrefixWatch {
  private readonly turns: LRUCache<string, WatchedTurn>;

  /** @param monotonicNow in milliseconds */
  constructor({ sessionsMax, itemsMax, idleMsMax }: PrefixWatchBounds, monotonicNow: () => number) {
    this.turns = new LRUCache<string, WatchedTurn>({
      max: sessionsMax,
      maxSize: itemsMax,
      // A turn without input takes room, too.
      sizeCalculation: ({ fingerprint }) => itemsOf(fingerprint) + 1,
      ttl: idleMsMax,
      ttlResolution: 0,
      perf: { now: monotonicNow },
    });
  }

  /** Sessions that are held, and the items of their calls. */
  get size(): { readonly sessions: number; readonly items: number } {
    const { size: sessions, calculatedSize } = this.turns;
    return { sessions, items: calculatedSize - sessions };
  }

  /** The last answered turn of a session; null: it has none, or was idle for too long. */
  lastTurn(session: string): WatchedTurn | null {
    return this.turns.get(session) ?? null;
  }

  /** Takes down that a turn was answered. */
  answered(session: string, turn: WatchedTurn): void {
    this.turns.set(session, turn);
  }
}
