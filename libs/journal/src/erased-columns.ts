import { COLUMN_NAMES, ROW_COLUMNS, type RequestRow } from './request-row.js';

/**
 * What an erasure leaves of each column: `kept` is what is counted, priced and reconciled, with the ids of what operators have named
 * themselves; `null`, or the SQL of what takes its place, is for what tells of a person or comes from what they have sent.
 */
const AFTER_ERASURE: Readonly<Record<keyof RequestRow, 'kept' | 'null' | { readonly sql: string }>> = {
  id: 'kept',
  started_at: 'kept',
  key_id: 'kept',
  key_name: 'null',
  group_id: 'kept',
  group_name: 'kept',
  model: 'kept',
  served_model: 'kept',
  upstream_id: 'kept',
  upstream_name: 'kept',
  // Names a response, or is whatever path was asked for.
  route: {
    sql: `CASE kind
      WHEN 'other' THEN regexp_replace(route, ' .*', ' …')
      WHEN 'retrieve' THEN regexp_replace(route, '/responses/.*', '/responses/…')
      WHEN 'delete' THEN regexp_replace(route, '/responses/.*', '/responses/…')
      WHEN 'cancel' THEN regexp_replace(route, '/responses/.*', '/responses/…')
      WHEN 'input_items' THEN regexp_replace(route, '/responses/.*', '/responses/…')
      ELSE route END`,
  },
  kind: 'kept',
  stream: 'kept',
  status: 'kept',
  upstream_status: 'kept',
  outcome: 'kept',
  error_code: 'kept',
  error_message: 'null',
  settlement: 'kept',
  usage_source: 'kept',
  input_tokens: 'kept',
  cached_tokens: 'kept',
  cache_write_tokens: 'kept',
  output_tokens: 'kept',
  reasoning_tokens: 'kept',
  cost_nano_usd: 'kept',
  price_id: 'kept',
  first_byte_ms: 'kept',
  duration_ms: 'kept',
  attempts: 'kept',
  request_bytes: 'kept',
  response_bytes: 'kept',
  session_id: 'null',
  client: 'null',
  client_ip: 'null',
  // Under these ids the provider may have the text itself.
  response_id: 'null',
  upstream_request_id: 'null',
  client_request_id: 'null',
  // An upstream's own words may quote what it was sent.
  upstream_attempts: {
    sql: `(SELECT jsonb_agg(attempt - '{problem,headers}'::text[]) FROM jsonb_array_elements(upstream_attempts) attempt)`,
  },
  keep_alives: 'kept',
  client_left_action: 'kept',
  last_event: 'kept',
  decision: 'null',
  compaction: 'kept',
  service_tier: 'kept',
  base_cost_nano_usd: 'kept',
  price_multiplier: 'kept',
  priced_calls: 'kept',
  cache_drop: 'kept',
};

const ERASED = Object.entries(AFTER_ERASURE).flatMap(([column, after]) =>
  after === 'kept' ? [] : [{ column, sql: after === 'null' ? 'NULL' : after.sql }],
);

/** The `SET` of the statement that erases. */
export const ERASED_VALUES = ERASED.map(({ column, sql }) => `${column} = ${sql}`).join(', ');

/** Whether there is anything left to erase in a row. */
export const IS_PERSONAL = ERASED.map(({ column, sql }) => `${column} IS DISTINCT FROM ${sql}`).join(' OR ');

/** All columns, in the order of `ROW_COLUMNS`, as an erasure leaves them. */
export const ERASED_ROW = COLUMN_NAMES.map((column) => {
  const after = AFTER_ERASURE[column];
  if (after === 'kept') return `"${column}"`;
  return after === 'null' ? `NULL::${ROW_COLUMNS[column]}` : after.sql;
}).join(', ');

/**
 * The ids of those `rows` (the name of what has the log's columns) that an erasure meant before they came. Most are younger than the
 * last erasure: they cost one comparison.
 */
export const erasedBefore = (rows: string) => `
  SELECT ${rows}.id FROM ${rows}
  CROSS JOIN LATERAL (VALUES ('key', key_id::text), ('group', group_id::text), ('session', session_id)) named (kind, id)
  JOIN erasures ON subject_kind = named.kind AND subject = named.id AND started_at < created_at
  WHERE started_at < (SELECT max(created_at) FROM erasures)`;
