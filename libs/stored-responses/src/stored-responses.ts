import { setTimeout as delay } from 'node:timers/promises';
import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { PrismaService } from '@app/database';
import { errors } from '@app/protocol';
import { BatchWriter } from '@app/runtime';
import { JoinedLookup } from './joined-lookup.js';
import {
  isStorableId,
  keyText,
  mergedUsagePending,
  type StoredId,
  type StoredIdKey,
  type StoredIdKind,
  type StoredIdRow,
} from './stored-id.js';
import { StoredIdTable } from './stored-id-table.js';

/** A response that an upstream keeps. */
export interface NotedResponse {
  /** null: only items are noted. */
  readonly responseId: string | null;
  /** Ids that the upstream made: of output items, never of items that it repeats from the request. */
  readonly itemIds: readonly string[];
  readonly upstreamId: string;
  /** As the client asked for it. */
  readonly model: string | null;
  /** See StoredId. */
  readonly isUsagePending: boolean | null;
}

/** About 300 bytes each. */
const HELD_IDS_MAX = 50_000;
const ROWS_PER_BATCH_MAX = 500;
/** Another replica may be asked about an id as soon as its client has it. */
const DELAY_MS = 20;
const PENDING_ROWS_MAX = 100_000;
const SHUTDOWN_FLUSH_MS = 5_000;
/** Pauses before the look-ups that follow the first: an id that was made a moment ago on another replica is still on its way. */
const RETRY_PAUSES_MS = [30, 70, 150] as const;
const LOOKUP_MS_MAX = 2_000;
const CLAIM_FLUSH_MS = 1_000;

type Change = { readonly noted: StoredIdRow } | { readonly forgotten: StoredIdKey };

/**
 * Which group owns which ids of stored responses, and where these are. What this process has seen is in memory; all of it goes
 * into PostgreSQL at once, off the request path, so that other replicas and the time after a restart know it, too.
 */
@Injectable()
export class StoredResponses implements OnApplicationShutdown {
  private readonly logger = new Logger(StoredResponses.name);
  private readonly held = new LRUCache<string, StoredId>({ max: HELD_IDS_MAX });
  private readonly table: StoredIdTable;
  private readonly lookup: JoinedLookup<StoredIdKey, StoredId>;
  private readonly writer = new BatchWriter<Change>({
    write: (changes) => this.write(changes),
    rowsPerBatchMax: ROWS_PER_BATCH_MAX,
    delayMs: DELAY_MS,
    pendingMax: PENDING_ROWS_MAX,
    onFailure: (error, pending) => this.logger.warn(`${pending} response ids wait for PostgreSQL: ${String(error)}`),
    onDropped: (rows) => this.logger.error(`${rows} response ids were dropped: PostgreSQL is away for too long`),
  });

  constructor(prisma: PrismaService) {
    this.table = new StoredIdTable(prisma);
    this.lookup = new JoinedLookup((keys) => this.table.find(keys));
  }

  /** Makes ids the group's own, in force at once. To be called before the bytes that name them go out. */
  note(groupId: string, { responseId, itemIds, ...stored }: NotedResponse): void {
    const model = storable(stored.model);
    const noted = { upstreamId: stored.upstreamId, model, isUsagePending: stored.isUsagePending };
    if (responseId !== null) this.noteOne({ groupId, kind: 'response', id: responseId }, noted);
    const item = { upstreamId: stored.upstreamId, model, isUsagePending: null };
    for (const id of itemIds) this.noteOne({ groupId, kind: 'item', id }, item);
  }

  /**
   * The same for items that an upstream repeats from a request, where the client may have made up their ids: they become the
   * group's own only when no other group holds them, and once PostgreSQL has said so.
   */
  noteEchoed(groupId: string, itemIds: readonly string[], upstreamId: string): void {
    for (const id of itemIds) {
      if (!isStorableId(id)) continue;
      const row = { groupId, kind: 'item', id, upstreamId, model: null, isUsagePending: null, isEchoed: true } as const;
      this.writer.add({ noted: row });
    }
  }

  /** Drops a response that was deleted at its upstream. */
  forget(groupId: string, responseId: string): void {
    const key = { groupId, kind: 'response', id: responseId } as const;
    this.held.delete(keyText(key));
    this.writer.add({ forgotten: key });
  }

  /**
   * What is known of an id, null when it is not the group's: not a promise when memory knows it. A foreign id takes the way and
   * the time of one that never was.
   *
   * @throws GatewayError 503 when PostgreSQL cannot be asked: that is no reason to call an id unknown
   */
  find(groupId: string, kind: StoredIdKind, id: string): StoredId | Promise<StoredId | null> {
    const key = { groupId, kind, id };
    return this.held.get(keyText(key)) ?? this.lookUp(key);
  }

  /** Whether the usage of a response was pending and is now the caller's to account: true for one caller ever. */
  async claimUsage(groupId: string, responseId: string): Promise<boolean> {
    const text = keyText({ groupId, kind: 'response', id: responseId });
    const isHeldPending = this.held.get(text)?.isUsagePending === true;
    let isClaimed = await this.table.claimUsage(groupId, responseId);
    if (!isClaimed && isHeldPending && this.writer.pendingRows > 0) {
      // Its own note may still be on the way.
      await this.writer.flush(CLAIM_FLUSH_MS);
      isClaimed = await this.table.claimUsage(groupId, responseId);
    }
    const held = this.held.get(text);
    const isTaken = isClaimed || (isHeldPending && this.writer.pendingRows === 0);
    if (isTaken && held) this.held.set(text, { ...held, isUsagePending: false });
    return isClaimed;
  }

  async onApplicationShutdown(): Promise<void> {
    await this.writer.flush(SHUTDOWN_FLUSH_MS);
    const { pendingRows } = this.writer;
    if (pendingRows > 0) this.logger.error(`${pendingRows} response ids could not be written before the end`);
  }

  private noteOne(key: StoredIdKey, noted: StoredId): void {
    if (!isStorableId(key.id)) return;
    const text = keyText(key);
    const before = this.held.get(text);
    const stored = before
      ? { ...noted, isUsagePending: mergedUsagePending(before.isUsagePending, noted.isUsagePending) }
      : noted;
    this.held.set(text, stored);
    this.writer.add({ noted: { ...key, ...stored, isEchoed: false } });
  }

  private async lookUp(key: StoredIdKey): Promise<StoredId | null> {
    if (!isStorableId(key.id)) return null;
    const over = new AbortController();
    try {
      const found = await Promise.race([this.lookUpAgain(key), timeIsUp(over.signal)]);
      if (found) this.held.set(keyText(key), found);
      return found;
    } catch (error) {
      throw errors.storedIdsUnavailable(error);
    } finally {
      over.abort();
    }
  }

  private async lookUpAgain(key: StoredIdKey): Promise<StoredId | null> {
    for (const pauseMs of RETRY_PAUSES_MS) {
      const found = await this.lookup.find(key).catch(() => null);
      if (found) return found;
      await delay(pauseMs);
    }
    // Only the last look-up decides what is unknown, and it must not have failed.
    return this.lookup.find(key);
  }

  private async write(changes: readonly Change[]): Promise<void> {
    await this.table.upsert(changes.flatMap((change) => ('noted' in change ? [change.noted] : [])));
    await this.table.delete(changes.flatMap((change) => ('forgotten' in change ? [change.forgotten] : [])));
  }
}

async function timeIsUp(signal: AbortSignal): Promise<never> {
  await delay(LOOKUP_MS_MAX, undefined, { signal });
  throw new Error(`PostgreSQL did not answer within ${LOOKUP_MS_MAX} ms`);
}

/** PostgreSQL stores no NUL, and one such text would make it refuse the whole batch. */
function storable(text: string | null): string | null {
  return text === null ? null : text.replaceAll('\0', '\uFFFD').toWellFormed();
}
