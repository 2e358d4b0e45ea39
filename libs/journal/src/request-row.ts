import type { CacheDrop } from '@app/contract';
import type { AttemptCell } from './attempt-cell.js';
import type { CompactionNote } from './request-record.js';

/** A row of request_log, as the database has it. */
export interface RequestRow {
  id: string;
  started_at: Date;
  key_id: string | null;
  key_name: string | null;
  group_id: string | null;
  group_name: string | null;
  model: string | null;
  served_model: string | null;
  upstream_id: string | null;
  upstream_name: string | null;
  route: string;
  kind: string;
  stream: boolean;
  status: number;
  upstream_status: number | null;
  outcome: string;
  error_code: string | null;
  error_message: string | null;
  settlement: string;
  usage_source: string;
  input_tokens: bigint | null;
  cached_tokens: bigint | null;
  cache_write_tokens: bigint | null;
  output_tokens: bigint | null;
  reasoning_tokens: bigint | null;
  cost_nano_usd: bigint | null;
  price_id: string | null;
  first_byte_ms: number | null;
  duration_ms: number;
  attempts: number;
  request_bytes: bigint;
  response_bytes: bigint;
  session_id: string | null;
  client: string | null;
  client_ip: string | null;
  response_id: string | null;
  upstream_request_id: string | null;
  client_request_id: string | null;
  upstream_attempts: AttemptCell[] | null;
  keep_alives: number;
  client_left_action: string | null;
  last_event: string | null;
  decision: unknown;
  compaction: CompactionCell | null;
  service_tier: string | null;
  base_cost_nano_usd: bigint | null;
  /** A decimal, which reads as its text. */
  price_multiplier: { toString(): string } | null;
  priced_calls: number | null;
  cache_drop: CacheDrop | null;
}

/** What became of a compaction, as the database has it. */
export interface CompactionCell {
  form: CompactionNote['form'];
  by: CompactionNote['by'];
  tokens_before: number | null;
  tokens_after: number | null;
  items_before: number | null;
  items_after: number | null;
  chunks: number | null;
  request_id: string | null;
}

/** What is known when an upstream is asked. */
const ASKED_COLUMNS = {
  id: 'uuid',
  started_at: 'timestamptz',
  key_id: 'uuid',
  key_name: 'text',
  group_id: 'uuid',
  group_name: 'text',
  model: 'text',
  upstream_id: 'uuid',
  upstream_name: 'text',
  route: 'text',
  kind: 'text',
  stream: 'boolean',
  session_id: 'text',
  client: 'text',
  client_ip: 'inet',
  client_request_id: 'text',
  request_bytes: 'bigint',
} as const;

/** What an answer tells, and what becomes of it. */
const TOLD_COLUMNS = {
  served_model: 'text',
  status: 'smallint',
  upstream_status: 'smallint',
  outcome: 'text',
  error_code: 'text',
  error_message: 'text',
  settlement: 'text',
  usage_source: 'text',
  input_tokens: 'bigint',
  cached_tokens: 'bigint',
  cache_write_tokens: 'bigint',
  output_tokens: 'bigint',
  reasoning_tokens: 'bigint',
  cost_nano_usd: 'bigint',
  price_id: 'uuid',
  attempts: 'smallint',
  response_id: 'text',
  upstream_request_id: 'text',
  keep_alives: 'integer',
  client_left_action: 'text',
  last_event: 'text',
  decision: 'jsonb',
  compaction: 'jsonb',
  service_tier: 'text',
  base_cost_nano_usd: 'bigint',
  price_multiplier: 'numeric',
  priced_calls: 'integer',
  cache_drop: 'jsonb',
} as const;

/** What grows until the last byte of an answer is out. */
const GROWING_COLUMNS = {
  first_byte_ms: 'double precision',
  duration_ms: 'double precision',
  response_bytes: 'bigint',
  upstream_attempts: 'jsonb',
} as const;

export type AskedColumn = keyof typeof ASKED_COLUMNS;
export type ToldColumn = keyof typeof TOLD_COLUMNS;
export type GrowingColumn = keyof typeof GROWING_COLUMNS;

/** Columns and their types, in the order of a row's cells: what changes last comes last. */
export const ROW_COLUMNS: Readonly<Record<keyof RequestRow, string>> = {
  ...ASKED_COLUMNS,
  ...TOLD_COLUMNS,
  ...GROWING_COLUMNS,
};

/** Objects and lists are for the columns that hold JSON. */
export type Cell = string | number | boolean | object | null;

/** Names of the cells of a row, in order. */
export const COLUMN_NAMES = Object.keys(ROW_COLUMNS) as (keyof RequestRow)[];

export const ASKED_COLUMN_NAMES = Object.keys(ASKED_COLUMNS) as AskedColumn[];

/** The row of such cells, as the database gives it. */
export function rowOfCells(cells: readonly Cell[]): RequestRow {
  const row: Record<string, unknown> = {};
  for (const [index, name] of COLUMN_NAMES.entries()) {
    const cell = cells[index] ?? null;
    const type = ROW_COLUMNS[name];
    if (type === 'bigint') row[name] = cell === null ? null : BigInt(cell as string | number);
    else row[name] = type === 'timestamptz' ? new Date(String(cell)) : cell;
  }
  return row as unknown as RequestRow;
}

const BARE_COLUMNS: ReadonlySet<keyof RequestRow> = new Set([
  'id',
  'started_at',
  'key_id',
  'group_id',
  'upstream_id',
  'route',
  'kind',
  'stream',
  'status',
  'outcome',
  'usage_source',
  'duration_ms',
  'attempts',
  'request_bytes',
  'response_bytes',
  'keep_alives',
  'client_left_action',
] as const);

/** The same without anything that came from outside: what remains when PostgreSQL refuses the whole. */
export function toBareCells(cells: readonly Cell[]): Cell[] {
  return COLUMN_NAMES.map((name, index) => {
    if (name === 'settlement') return 'missing';
    return BARE_COLUMNS.has(name) ? (cells[index] ?? null) : null;
  });
}
