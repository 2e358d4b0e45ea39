import { fromPublicId, type IdKind, type Page, toPublicId } from '@app/contract';
import { AdminProblem } from '../http/admin-problem.js';

/**
 * What a list asks its service for: one row more than the page holds, to know whether there is a next one.
 *
 * @param kinds of the rows that the list may have
 */
export function pageRequest(
  query: { limit: number; cursor?: string | undefined },
  ...kinds: readonly IdKind[]
): { limit: number; beforeId: string | null } {
  return { limit: query.limit + 1, beforeId: cursorId(query.cursor, kinds) };
}

/** The page of the rows that came back; its cursor is the public id of its last row. @param kind of a row, or of all of them */
export function page<Row extends { id: string }, Item>(
  rows: readonly Row[],
  limit: number,
  kind: IdKind | ((row: Row) => IdKind),
  map: (row: Row) => Item,
): Page<Item> {
  const shown = rows.slice(0, limit);
  const last = rows.length > limit ? shown.at(-1) : undefined;
  const cursor = last ? toPublicId(typeof kind === 'string' ? kind : kind(last), last.id) : null;
  return { data: shown.map(map), next_cursor: cursor };
}

function cursorId(cursor: string | undefined, kinds: readonly IdKind[]): string | null {
  if (cursor === undefined) return null;
  for (const kind of kinds) {
    const id = fromPublicId(kind, cursor);
    if (id !== null) return id;
  }
  throw AdminProblem.invalid([{ path: 'cursor', message: 'must be the next_cursor of a page of this list' }]);
}
