import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { compilePattern } from '@app/contract';
import type { BodyPolicy, Redaction } from '@app/groups';
import { outcomeOf, type RequestKind, type RequestRecord, RequestJournal } from '@app/journal';
import { BatchWriter, Clock } from '@app/runtime';
import { BYTES_BEYOND_CUT, BodyCapture, captureWrites } from './body-capture.js';
import { type BodyRow, BodyTable, type InsertedBodies, isRefusedData } from './body-table.js';
import { decryptBody, encryptBody, placeOf } from './body-cipher.js';
import { BodyKeys, type DayKey } from './body-keys.js';
import { BodyMemory } from './body-memory.js';
import type { BodyJob } from './body-sealing.js';
import { BodyNotSealed, BodyThread } from './body-thread.js';

const MEMORY_BYTES_MAX = 64 * 1024 * 1024;
const ROWS_PER_BATCH_MAX = 32;
const DELAY_MS = 100;
const SHUTDOWN_FLUSH_MS = 5_000;
const DAY_MS = 86_400_000;
const NOTHING = Buffer.alloc(0);

/** Requests whose bodies say something. */
const KINDS: ReadonlySet<RequestKind> = new Set([
  'response',
  'compaction',
  'retrieve',
  'delete',
  'cancel',
  'input_items',
  'input_tokens',
]);

/** Why a body that was to be stored is not. */
export type BodyLoss = 'memory' | 'journal' | 'timeout' | 'failed' | 'erased';

/** Who asks, as far as it concerns bodies. */
export interface BodyOwner {
  readonly bodyPolicy: BodyPolicy | null;
  readonly group: { readonly redaction: Redaction };
}

/** What was sent, when the request is over. */
export interface SentRequest {
  readonly body: Buffer | null;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/**
 * The write side of stored bodies. What passes is held as it is, within bounds of memory, and becomes what is stored in another
 * thread when the request is over. Bodies never go into the journal, and a row of the log never waits for one: where there is
 * no room they are let go, and counted.
 */
@Injectable()
export class BodyLog implements OnApplicationShutdown {
  private readonly logger = new Logger('Bodies');
  private readonly memory = new BodyMemory(MEMORY_BYTES_MAX);
  private readonly thread = new BodyThread();
  private readonly sealing = new Set<Promise<void>>();
  private readonly writer: BatchWriter<BodyRow>;
  /** Since start, for metrics: requests. */
  readonly lost: Record<BodyLoss, number> = { memory: 0, journal: 0, timeout: 0, failed: 0, erased: 0 };

  constructor(
    private readonly table: BodyTable,
    private readonly keys: BodyKeys,
    private readonly journal: RequestJournal,
    private readonly clock: Clock,
  ) {
    this.writer = new BatchWriter<BodyRow>({
      write: (rows) => this.write(rows),
      rowsPerBatchMax: ROWS_PER_BATCH_MAX,
      delayMs: DELAY_MS,
      // Whoever adds rows bounds them: by the memory that they hold.
      pendingMax: Infinity,
      onFailure: (error) => this.logger.warn(`bodies wait for PostgreSQL: ${(error as Error).message}`),
      onDropped: () => undefined,
    });
  }

  /** Since start, for metrics: requests and answers, each for itself. */
  get stored(): number {
    return this.table.stored;
  }

  get heldBytes(): number {
    return this.memory.held;
  }

  /** Begins to hold what is written to the response; null when nothing of the request is to be stored. */
  begin({ bodyPolicy: policy, group }: BodyOwner, record: RequestRecord, response: ServerResponse): BodyCapture | null {
    if (policy === null) return null;
    if (policy.capture === 'sample' && Math.random() >= policy.share) return null;
    // Rows of requests need what is left: bodies go first.
    if (this.journal.isFillingUp) {
      this.lost.journal++;
      return null;
    }
    const capture = new BodyCapture(policy, group.redaction, record.startedMonotonicMs, this.memory, this.clock);
    captureWrites(response, capture);
    return capture;
  }

  /** Takes what was held of a closed request; its body is copied before this returns. */
  end(capture: BodyCapture, record: RequestRecord, sent: SentRequest): void {
    if (!isWanted(capture.policy, record)) return capture.release();
    const body = sent.body ?? NOTHING;
    const requestBytes = Math.min(body.length, capture.policy.bytesMax + BYTES_BEYOND_CUT);
    if (capture.isGivenUp || !this.memory.take(requestBytes)) {
      capture.release();
      this.lost.memory++;
      return;
    }
    const { heldBytes } = capture;
    const row = this.rowOf(capture, record);
    const job = jobOf(capture, record, { ...sent, body }, row.dayKey.key);
    // The copy takes the place of what it was made of.
    capture.release();
    this.memory.force(heldBytes);
    const sealing = this.seal(job, row, requestBytes + heldBytes).finally(() => this.sealing.delete(sealing));
    this.sealing.add(sealing);
  }

  async onApplicationShutdown(): Promise<void> {
    const over = new AbortController();
    const timeIsUp = delay(SHUTDOWN_FLUSH_MS, undefined, { signal: over.signal }).catch(() => undefined);
    await Promise.race([Promise.allSettled(this.sealing), timeIsUp]);
    over.abort();
    await this.writer.flush(SHUTDOWN_FLUSH_MS);
    if (this.writer.pendingRows > 0) this.logger.warn(`${this.writer.pendingRows} bodies are lost with this process`);
    await this.thread.stop();
  }

  private async seal(job: BodyJob, row: Omit<BodyRow, 'body'>, heldBytes: number): Promise<void> {
    try {
      for (const body of await this.thread.seal(job)) {
        this.memory.force(body.content.length);
        this.writer.add({ ...row, body });
      }
    } catch (error) {
      const reason = error instanceof BodyNotSealed ? error.reason : 'failed';
      this.lost[reason]++;
      const why = error instanceof BodyNotSealed ? error.message : 'internal error';
      this.logger.warn(`the bodies of a request of group ${row.groupId} are not stored: ${why}`);
    } finally {
      this.memory.give(heldBytes);
    }
  }

  private async write(rows: readonly BodyRow[]): Promise<void> {
    const inserted = await this.inserted(rows);
    const { keyless } = inserted;
    this.lost.erased += inserted.erased;
    const given = new Set(keyless);
    for (const row of rows) if (!given.has(row)) this.memory.give(row.body.content.length);
    // The key was dropped, but not because of those that began since: which they are, the table knows.
    for (const row of keyless) {
      this.keys.forget(row.dayKey);
      this.writer.add(underAnotherKey(row, this.keys.at(row.startedAtMs)));
    }
  }

  /** Bodies that PostgreSQL refuses are let go: they would come again for ever. */
  private async inserted(rows: readonly BodyRow[]): Promise<InsertedBodies> {
    try {
      return await this.table.insert(rows);
    } catch (error) {
      if (!isRefusedData(error)) throw error;
      this.lost.failed += rows.length;
      this.logger.error(`${rows.length} bodies were refused: ${(error as Error).message}`);
      return { erased: 0, keyless: [] };
    }
  }

  private rowOf({ policy }: BodyCapture, record: RequestRecord): Omit<BodyRow, 'body'> {
    const { id: requestId, startedAtMs, keyId, groupId } = record;
    return {
      requestId,
      startedAtMs,
      keyId: keyId ?? '',
      groupId: groupId ?? '',
      keepUntilMs: policy.retentionDays === null ? null : startedAtMs + policy.retentionDays * DAY_MS,
      dayKey: this.keys.at(startedAtMs),
    };
  }
}

function underAnotherKey(row: BodyRow, dayKey: DayKey): BodyRow {
  const place = placeOf(row.requestId, row.body.kind);
  const content = encryptBody(dayKey.key, decryptBody(row.dayKey.key, row.body.content, place), place);
  return { ...row, dayKey, body: { ...row.body, content } };
}

function isWanted({ capture }: BodyPolicy, record: RequestRecord): boolean {
  if (!KINDS.has(record.kind)) return false;
  if (capture !== 'errors') return true;
  const outcome = outcomeOf(record);
  return outcome !== 'ok' && outcome !== 'client_left';
}

function jobOf(
  capture: BodyCapture,
  { id: requestId }: RequestRecord,
  { body, headers }: { readonly body: Buffer; readonly headers: SentRequest['headers'] },
  key: Buffer,
): BodyJob {
  const { policy, redaction, pieces, atMs, heldBytes } = capture;
  const response = new Uint8Array(heldBytes);
  const ends = new Uint32Array(pieces.length);
  let end = 0;
  for (const [index, piece] of pieces.entries()) {
    response.set(piece, end);
    end += piece.length;
    ends[index] = end;
  }
  return {
    requestId,
    bytesMax: policy.bytesMax,
    rules: { patterns: redaction.patterns.map(compilePattern), jsonPaths: redaction.jsonPaths },
    key,
    headers,
    // A copy: the memory of the body is used again.
    request: Uint8Array.from(body.subarray(0, policy.bytesMax + BYTES_BEYOND_CUT)),
    response,
    requestBytes: body.length,
    responseBytes: capture.bytes,
    pieces: { ends, atMs: Float64Array.from(atMs) },
  };
}
