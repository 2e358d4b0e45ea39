import type { PrismaService } from '@app/database';
import { keyText, mergedUsagePending, type StoredId, type StoredIdKey, type StoredIdRow } from './stored-id.js';

/** A query that hangs gives its connection back after this. */
const QUERY_TIMEOUT_MS = 2_000;

/** An echoed id is only noted when no other group holds it: else a made-up item would open a foreign one. */
const UPSERT = `
INSERT INTO stored_ids AS held (id, kind, group_id, upstream_id, model, usage_pending, created_at)
SELECT id, kind, group_id, upstream_id, model, usage_pending, now()
FROM unnest($1::text[], $2::text[], $3::uuid[], $4::uuid[], $5::text[], $6::boolean[], $7::boolean[])
  AS noted (id, kind, group_id, upstream_id, model, usage_pending, is_echoed)
WHERE NOT is_echoed OR NOT EXISTS (
  SELECT FROM stored_ids other WHERE other.id = noted.id AND other.kind = noted.kind AND other.group_id <> noted.group_id)
ORDER BY id, kind, group_id
ON CONFLICT (id, kind, group_id) DO UPDATE SET
  upstream_id = excluded.upstream_id, model = coalesce(excluded.model, held.model), created_at = excluded.created_at,
  usage_pending = CASE WHEN NOT held.usage_pending THEN false ELSE coalesce(excluded.usage_pending, held.usage_pending) END`;

const DELETE = `
DELETE FROM stored_ids held USING unnest($1::text[], $2::text[], $3::uuid[]) AS gone (id, kind, group_id)
WHERE held.id = gone.id AND held.kind = gone.kind AND held.group_id = gone.group_id`;

const SELECT = `
SELECT id, kind, group_id, upstream_id, model, usage_pending
FROM unnest($1::text[], $2::text[], $3::uuid[]) AS asked (id, kind, group_id)
JOIN stored_ids USING (id, kind, group_id)`;

const CLAIM = `
UPDATE stored_ids SET usage_pending = false
WHERE id = $1 AND kind = 'response' AND group_id = $2::uuid AND usage_pending`;

interface SelectedRow {
  id: string;
  kind: StoredIdKey['kind'];
  group_id: string;
  upstream_id: string;
  model: string | null;
  usage_pending: boolean | null;
}

/** The table of stored ids, many rows per statement. */
export class StoredIdTable {
  constructor(private readonly prisma: PrismaService) {}

  /** Idempotent: the same rows may come again. */
  async upsert(rows: readonly StoredIdRow[]): Promise<void> {
    const merged = [...mergeRows(rows).values()];
    if (merged.length === 0) return;
    await this.query('upsert_stored_ids', UPSERT, [
      ...keyColumns(merged),
      merged.map(({ upstreamId }) => upstreamId),
      merged.map(({ model }) => model),
      merged.map(({ isUsagePending }) => isUsagePending),
      merged.map(({ isEchoed }) => isEchoed),
    ]);
  }

  async delete(keys: readonly StoredIdKey[]): Promise<void> {
    if (keys.length > 0) await this.query('delete_stored_ids', DELETE, keyColumns(keys));
  }

  /** In the order of the keys; null for those that are not there. */
  async find(keys: readonly StoredIdKey[]): Promise<(StoredId | null)[]> {
    const rows = (await this.query<SelectedRow>('find_stored_ids', SELECT, keyColumns(keys))).rows;
    const found = new Map(
      rows.map(({ id, kind, group_id, upstream_id, model, usage_pending }) => [
        keyText({ groupId: group_id, kind, id }),
        { upstreamId: upstream_id, model, isUsagePending: usage_pending },
      ]),
    );
    return keys.map((key) => found.get(keyText(key)) ?? null);
  }

  /** Whether this call is the one that took the response's pending usage. */
  async claimUsage(groupId: string, responseId: string): Promise<boolean> {
    return (await this.query('claim_stored_usage', CLAIM, [responseId, groupId])).rowCount === 1;
  }

  private query<Row extends object>(name: string, text: string, values: unknown[]) {
    const query = { name, text, values, query_timeout: QUERY_TIMEOUT_MS };
    return this.prisma.pool.query<Row>(query);
  }
}

/** One statement can touch a row only once. */
function mergeRows(rows: readonly StoredIdRow[]): Map<string, StoredIdRow> {
  const merged = new Map<string, StoredIdRow>();
  for (const row of rows) {
    const text = keyText(row);
    const before = merged.get(text);
    merged.set(text, before ? mergedRow(before, row) : row);
  }
  return merged;
}

function mergedRow(before: StoredIdRow, row: StoredIdRow): StoredIdRow {
  return {
    ...row,
    model: row.model ?? before.model,
    isUsagePending: mergedUsagePending(before.isUsagePending, row.isUsagePending),
    isEchoed: before.isEchoed && row.isEchoed,
  };
}

function keyColumns(keys: readonly StoredIdKey[]): [string[], string[], string[]] {
  return [keys.map(({ id }) => id), keys.map(({ kind }) => kind), keys.map(({ groupId }) => groupId)];
}
