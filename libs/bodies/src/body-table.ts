import { Injectable } from '@nestjs/common';
import type { PoolClient } from 'pg';
import { PrismaService } from '@app/database';
import type { SealedBody } from './body-sealing.js';
import type { DayKey } from './body-keys.js';

/** A sealed body on its way into the database. */
export interface BodyRow {
  readonly requestId: string;
  readonly startedAtMs: number;
  readonly keyId: string;
  readonly groupId: string;
  /** null: as long as others */
  readonly keepUntilMs: number | null;
  readonly dayKey: DayKey;
  readonly body: SealedBody;
}

/** What became of bodies that were to be added. */
export interface InsertedBodies {
  readonly erased: number;
  readonly keyless: readonly BodyRow[];
}

/** Taken by whoever adds bodies, and alone by whoever erases them: what comes later finds the erasure. */
export const ERASURE_LOCK = 'tollgate_body_erasures';

const COLUMNS = {
  started_at: 'timestamptz',
  request_id: 'uuid',
  kind: 'text',
  key_id: 'uuid',
  group_id: 'uuid',
  body_key_id: 'uuid',
  codec: 'text',
  bytes: 'bigint',
  stored_bytes: 'int',
  is_truncated: 'boolean',
  is_redacted: 'boolean',
  keep_until: 'timestamptz',
  content: 'bytea',
};
const NAMES = Object.keys(COLUMNS).join(', ');
/** A statement that a frozen server does not answer. */
const INSERT_TIMEOUT_MS = 15_000;

/** The tables of bodies and of their keys, as far as they are written. */
@Injectable()
export class BodyTable {
  /** Since start. */
  stored = 0;

  constructor(private readonly prisma: PrismaService) {}

  /**
   * Adds bodies, all or none; what is there already stays. Not those that were erased before they came here, which `erased` counts,
   * nor those under a key that is no more: these are given back.
   */
  async insert(rows: readonly BodyRow[]): Promise<InsertedBodies> {
    const client = await this.prisma.pool.connect();
    let failure: Error | undefined;
    try {
      await client.query('BEGIN');
      // In a statement of its own: the next one must see what was erased until now.
      await client.query(`SELECT pg_advisory_xact_lock_shared(hashtext('${ERASURE_LOCK}'))`);
      const dropped = await storeKeys(client, rows);
      const keyed = rows.filter(({ dayKey }) => !dropped.has(dayKey));
      const count = await insertRows(client, keyed);
      await client.query('COMMIT');
      for (const { dayKey } of rows) dayKey.isStored = true;
      this.stored += count;
      return { erased: keyed.length - count, keyless: rows.filter(({ dayKey }) => dropped.has(dayKey)) };
    } catch (error) {
      failure = error as Error;
      throw error;
    } finally {
      // What is still in a transaction is not used again.
      client.release(failure);
    }
  }
}

/** SQLSTATE classes 22 (data exception) and 23 (integrity): sending the same again cannot help. */
export function isRefusedData(error: unknown): boolean {
  return /^2[23]/.test(String((error as { code?: unknown } | null)?.code ?? ''));
}

/** Keys that were stored before and are no more. */
async function storeKeys(client: PoolClient, rows: readonly BodyRow[]): Promise<Set<DayKey>> {
  const keys = [...new Set(rows.map(({ dayKey }) => dayKey))];
  for (const { id, day, wrapped } of keys.filter(({ isStored }) => !isStored)) {
    await client.query('INSERT INTO body_keys (id, day, wrapped_key) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING', [
      id,
      day,
      Buffer.from(wrapped),
    ]);
  }
  const { rows: found } = await client.query<{ id: string }>('SELECT id FROM body_keys WHERE id = ANY($1::uuid[])', [
    keys.map(({ id }) => id),
  ]);
  const there = new Set(found.map(({ id }) => id));
  return new Set(keys.filter(({ id }) => !there.has(id)));
}

async function insertRows(client: PoolClient, rows: readonly BodyRow[]): Promise<number> {
  if (rows.length === 0) return 0;
  const insert = { ...insertOf(rows), query_timeout: INSERT_TIMEOUT_MS };
  return (await client.query(insert)).rowCount ?? 0;
}

function insertOf(rows: readonly BodyRow[]): { text: string; values: unknown[] } {
  const values = rows.flatMap(cellsOf);
  const types = Object.values(COLUMNS);
  const lists = rows.map((_, row) => {
    const cells = types.map((type, column) => `$${row * types.length + column + 1}::${type}`);
    return `(${cells.join(', ')})`;
  });
  const text = `
    INSERT INTO request_bodies (${NAMES})
    SELECT ${NAMES} FROM (VALUES ${lists.join(', ')}) AS bodies (${NAMES})
    WHERE NOT EXISTS (
      SELECT 1 FROM body_erasures
      WHERE subject IN ('key:' || key_id, 'group:' || group_id, 'day:' || (started_at AT TIME ZONE 'UTC')::date)
        AND erased_at >= started_at)
    ON CONFLICT DO NOTHING`;
  return { text, values };
}

function cellsOf({ requestId, startedAtMs, keyId, groupId, keepUntilMs, dayKey, body }: BodyRow): unknown[] {
  const { kind, codec, bytes, isTruncated, isRedacted, content } = body;
  return [
    new Date(startedAtMs),
    requestId,
    kind,
    keyId,
    groupId,
    dayKey.id,
    codec,
    bytes,
    content.length,
    isTruncated,
    isRedacted,
    keepUntilMs === null ? null : new Date(keepUntilMs),
    Buffer.from(content.buffer, content.byteOffset, content.byteLength),
  ];
}
