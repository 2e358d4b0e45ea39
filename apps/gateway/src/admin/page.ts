import { fromPublicId, type IdKind, type Page, toPublicId } from '@app/contract';
import { AdminProblem } from '../http/admin-problem.js';

/** What a list asks its service for: one row more than the page holds, to know whether there is a next one. */
export function pageRequest(
  query: { limit: number; cursor?: string | undefined },
  kind: IdKind,
): { limit: number; beforeId: string | null } {
  return { limit: query.limit + 1, beforeId: cursorId(query.cursor, kind) };
}

/** The page of the rows that came back; its cursor is the public id of its last row. */
export function page<Row extends { id: string }, Item>(
  rows: readonly Row[],
  limit: number,
  kind: IdKind,
  map: (row: Row) => Item,
): Page<Item> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return { data: shown.map(map), next_cursor: rows.length > limit && last ? toPublicId(kind, last.id) : null };
}

function cursorId(cursor: string | undefined, kind: IdKind): string | null {
  if (cursor === undefined) return null;
  const id = fromPublicId(kind, cursor);
  if (id === null) {
    throw AdminProblem.invalid([{ path: 'cursor', message: 'must be the next_cursor of a page of this list' }]);
  }
  return id;
}
