import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { PrismaService } from '@app/database';
import { BatchWriter } from '@app/runtime';
import { JoinedLookup } from './joined-lookup.js';

const FINGERPRINT_BYTES = 16;
/** About 150 bytes each. */
const HELD_ORIGINS_MAX = 100_000;
const ROWS_PER_BATCH_MAX = 500;
const DELAY_MS = 20;
const PENDING_ROWS_MAX = 100_000;
const SHUTDOWN_FLUSH_MS = 2_000;
/** A first request of a session may wait this long to learn where its history comes from. */
const LOOKUP_MS_MAX = 250;
/** How long it is believed that an origin is unknown. */
const UNKNOWN_MS = 5_000;
const UNKNOWN_MAX = 10_000;

const UPSERT = `
INSERT INTO encrypted_content_origins AS held (fingerprint, upstream_id, created_at)
SELECT fingerprint, upstream_id, now() FROM unnest($1::bytea[], $2::uuid[]) AS noted (fingerprint, upstream_id)
ORDER BY fingerprint
ON CONFLICT (fingerprint) DO UPDATE SET upstream_id = excluded.upstream_id, created_at = excluded.created_at`;

const SELECT = `
SELECT encode(fingerprint, 'hex') AS fingerprint, upstream_id FROM encrypted_content_origins
WHERE fingerprint = ANY ($1::bytea[])`;

interface Origin {
  readonly fingerprint: string;
  readonly upstreamId: string;
}

/**
 * Which upstream made an `encrypted_content`: no other account can open it (protocol.md §0.15). What this process has seen is
 * in memory. PostgreSQL gets the last one of each response, which is what the next request of the session carries, and is
 * never waited for longer than a moment: not knowing only costs the choice of the upstream.
 */
@Injectable()
export class EncryptedContentOrigins implements OnApplicationShutdown {
  private readonly logger = new Logger(EncryptedContentOrigins.name);
  private readonly held = new LRUCache<string, string>({ max: HELD_ORIGINS_MAX });
  private readonly unknown = new LRUCache<string, true>({ max: UNKNOWN_MAX, ttl: UNKNOWN_MS });
  private readonly lookup = new JoinedLookup<string, string>((fingerprints) => this.read(fingerprints));
  private readonly writer = new BatchWriter<Origin>({
    write: (origins) => this.write(origins),
    rowsPerBatchMax: ROWS_PER_BATCH_MAX,
    delayMs: DELAY_MS,
    pendingMax: PENDING_ROWS_MAX,
    onFailure: (error, pending) => this.logger.warn(`${pending} origins wait for PostgreSQL: ${String(error)}`),
    onDropped: (rows) => this.logger.warn(`${rows} origins were dropped: PostgreSQL is away for too long`),
  });

  constructor(private readonly prisma: PrismaService) {}

  /** The upstream as far as memory knows; for the older contents of a session. */
  known(fingerprint: string): string | null {
    return this.held.get(fingerprint) ?? null;
  }

  /** @param fingerprints of one response, in the order of its output */
  note(fingerprints: readonly string[], upstreamId: string): void {
    for (const fingerprint of fingerprints) {
      this.held.set(fingerprint, upstreamId);
      this.unknown.delete(fingerprint);
    }
    const fingerprint = fingerprints.at(-1);
    if (fingerprint !== undefined) this.writer.add({ fingerprint, upstreamId });
  }

  /** The upstream, null when it is not known; not a promise when memory knows either. Never throws. */
  find(fingerprint: string): string | null | Promise<string | null> {
    return this.held.get(fingerprint) ?? (this.unknown.has(fingerprint) ? null : this.lookUp(fingerprint));
  }

  async onApplicationShutdown(): Promise<void> {
    await this.writer.flush(SHUTDOWN_FLUSH_MS);
  }

  private async lookUp(fingerprint: string): Promise<string | null> {
    const over = new AbortController();
    const timeIsUp = delay(LOOKUP_MS_MAX, null, { signal: over.signal }).catch(() => null);
    const found = await Promise.race([this.lookup.find(fingerprint).catch(() => null), timeIsUp]);
    over.abort();
    if (found !== null) this.held.set(fingerprint, found);
    // It may have been noted meanwhile.
    else if (!this.held.has(fingerprint)) this.unknown.set(fingerprint, true);
    return found ?? this.held.get(fingerprint) ?? null;
  }

  private async read(fingerprints: readonly string[]): Promise<(string | null)[]> {
    const query = { name: 'find_origins', text: SELECT, values: [fingerprints.map(bytesOf)], query_timeout: 2_000 };
    const { rows } = await this.prisma.pool.query<{ fingerprint: string; upstream_id: string }>(query);
    const found = new Map(rows.map(({ fingerprint, upstream_id }) => [fingerprint, upstream_id]));
    return fingerprints.map((fingerprint) => found.get(bytesOf(fingerprint).toString('hex')) ?? null);
  }

  private async write(origins: readonly Origin[]): Promise<void> {
    // One statement can touch a row only once; the newest counts.
    const newest = [...new Map(origins.map(({ fingerprint, upstreamId }) => [fingerprint, upstreamId]))];
    const values = [newest.map(([fingerprint]) => bytesOf(fingerprint)), newest.map(([, upstreamId]) => upstreamId)];
    await this.prisma.pool.query({ name: 'upsert_origins', text: UPSERT, values });
  }
}

/** What stands for a fingerprint in the database: its first bytes could tell something of the content, their hash cannot. */
function bytesOf(fingerprint: string): Buffer {
  return createHash('sha256').update(fingerprint).digest().subarray(0, FINGERPRINT_BYTES);
}
