import { LIVE_FIELDS, type LiveField, type LiveRequestsQuery } from '@app/contract';
import type { RequestRecord, RequestRow } from '@app/journal';

type Filtered = Pick<
  RequestRow,
  | 'status'
  | 'outcome'
  | 'kind'
  | 'key_id'
  | 'group_id'
  | 'model'
  | 'upstream_id'
  | 'session_id'
  | 'client'
  | 'error_code'
>;

const COLUMNS = {
  status: 'status',
  outcome: 'outcome',
  kind: 'kind',
  key: 'key_id',
  group: 'group_id',
  model: 'model',
  upstream: 'upstream_id',
  session: 'session_id',
  client: 'client',
  error_code: 'error_code',
} as const satisfies Record<LiveField, keyof Filtered>;

/** What a tail wants to see. */
export class LiveFilter {
  private readonly conditions: readonly (readonly [LiveField, readonly string[]])[];

  constructor(query: LiveRequestsQuery) {
    this.conditions = LIVE_FIELDS.flatMap((field) => (query[field] ? [[field, query[field]] as const] : []));
  }

  fits(row: Filtered): boolean {
    return this.conditions.every(([field, values]) => isAny(field, row[COLUMNS[field]], values));
  }

  /** Whether a request that has not ended fits: nothing is known of its end. */
  fitsOpen(record: RequestRecord): boolean {
    const { kind, keyId, groupId, model, upstreamId, sessionId, client } = record;
    return this.fits({
      status: 0,
      outcome: '',
      kind,
      key_id: keyId,
      group_id: groupId,
      model,
      upstream_id: upstreamId,
      session_id: sessionId,
      client,
      error_code: null,
    });
  }
}

function isAny(field: LiveField, cell: string | number | null, values: readonly string[]): boolean {
  if (cell === null) return false;
  const text = String(cell);
  if (values.includes(text)) return true;
  if (field === 'status') return values.includes(`${text[0]}xx`);
  return field === 'client' && values.includes(text.split('/', 1)[0] ?? '');
}
