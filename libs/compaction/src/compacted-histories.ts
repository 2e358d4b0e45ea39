import { promisify } from 'node:util';
import { deflateRaw, inflateRawSync } from 'node:zlib';
import { LRUCache } from 'lru-cache';

const HELD_BYTES_MAX = 32 * 1024 * 1024;
/** Larger ones are not held: one session must not push out all others. */
export const HISTORY_BYTES_MAX = 8 * 1024 * 1024;
const HELD_FOR_MS = 24 * 3_600_000;
const ENTRY_BYTES = 200;

const deflated = promisify(deflateRaw);

/**
 * What the compactions of upstreams stand for, as far as this process has seen them made: should such an upstream be lost, a
 * session that carries its compaction can go on elsewhere. In memory only, packed, for a day.
 */
export class CompactedHistories {
  private readonly held = new LRUCache<string, Buffer>({
    maxSize: HELD_BYTES_MAX,
    sizeCalculation: (packed) => packed.length + ENTRY_BYTES,
    ttl: HELD_FOR_MS,
  });

  /** @param fingerprint of the compaction's `encrypted_content` */
  async keep(groupId: string, fingerprint: string, history: string): Promise<void> {
    if (history.length > HISTORY_BYTES_MAX) return;
    this.held.set(keyOf(groupId, fingerprint), await deflated(Buffer.from(history), { level: 1 }));
  }

  /** The conversation as text; null when it is not known here. */
  find(groupId: string, fingerprint: string): string | null {
    const packed = this.held.get(keyOf(groupId, fingerprint));
    return packed ? inflateRawSync(packed).toString('utf8') : null;
  }
}

function keyOf(groupId: string, fingerprint: string): string {
  return `${groupId} ${fingerprint}`;
}
