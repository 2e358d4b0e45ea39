import { LRUCache } from 'lru-cache';
import type { Upstream } from '@app/upstreams';

/** The ways in which clients ask for a compaction: a route, an item in the input, a member of the body (protocol.md §3). */
export type CompactionForm = 'endpoint' | 'trigger' | 'threshold';

/** How an upstream takes a compaction; `unknown`: it has to be asked. */
export type CompactionSupport = 'native' | 'emulate' | 'refuse' | 'unknown';

const REMEMBERED_FOR_MS = 30 * 60_000;
const ENTRIES_MAX = 10_000;

/**
 * Which upstreams know compaction. Where the operator leaves it to us (`auto`) an upstream is asked, and what it answered is
 * remembered for a time: it may learn it. Not knowing it is no failure, so its health never hears of it.
 */
export class CompactionSupports {
  private readonly found = new LRUCache<string, boolean>({ max: ENTRIES_MAX, ttl: REMEMBERED_FOR_MS });

  of(upstream: Upstream, form: CompactionForm): CompactionSupport {
    if (upstream.compaction !== 'auto') return upstream.compaction;
    const isKnowing = this.found.get(keyOf(upstream, form));
    if (isKnowing === undefined) return 'unknown';
    return isKnowing ? 'native' : 'emulate';
  }

  note(upstream: Upstream, form: CompactionForm, isKnowing: boolean): void {
    if (upstream.compaction === 'auto') this.found.set(keyOf(upstream, form), isKnowing);
  }
}

/** Another address is another service. */
function keyOf({ id, baseUrl }: Upstream, form: CompactionForm): string {
  return `${id} ${baseUrl} ${form}`;
}
