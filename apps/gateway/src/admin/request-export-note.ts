import type { ExportRequestsQuery } from '@app/contract';

/** What operators have named themselves, and times: all else may be personal, and the audit log never forgets. */
const TOLD = new Set<string>([
  'format',
  'from',
  'to',
  'key',
  'group',
  'model',
  'upstream',
  'status',
  'outcome',
  'kind',
  'exclude_key',
  'exclude_group',
  'exclude_model',
  'exclude_upstream',
  'exclude_status',
  'exclude_outcome',
  'exclude_kind',
]);

/** What the audit log has of an export: by what it was filtered, and the values where they tell of no person. */
export function exportNote(query: ExportRequestsQuery): object {
  const filters = Object.entries(query).filter(([, value]) => value !== undefined);
  return Object.fromEntries(filters.map(([name, value]) => [name, TOLD.has(name) ? value : '…']));
}
