import { isIP } from 'node:net';
import type { CacheDrop } from '@app/contract';
import { formatMultiplier } from '@app/models';
import { outcomeOf } from './outcome.js';
import type { CompactionNote, RequestRecord } from './request-record.js';
import { roundMs, storable } from './storable.js';
import { type AttemptCell, toAttemptCell } from './attempt-cell.js';

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

/** Column types of a batch insert, in the table's order. */
export const ROW_COLUMNS: Readonly<Record<keyof RequestRow, string>> = {
  id: 'uuid',
  started_at: 'timestamptz',
  key_id: 'uuid',
  key_name: 'text',
  group_id: 'uuid',
  group_name: 'text',
  model: 'text',
  served_model: 'text',
  upstream_id: 'uuid',
  upstream_name: 'text',
  route: 'text',
  kind: 'text',
  stream: 'boolean',
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
  first_byte_ms: 'double precision',
  duration_ms: 'double precision',
  attempts: 'smallint',
  request_bytes: 'bigint',
  response_bytes: 'bigint',
  session_id: 'text',
  client: 'text',
  client_ip: 'inet',
  response_id: 'text',
  upstream_request_id: 'text',
  client_request_id: 'text',
  upstream_attempts: 'jsonb',
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
};

/** Objects and lists are for the columns that hold JSON. */
export type Cell = string | number | boolean | object | null;

/** Names of the cells of a row, in order. */
export const COLUMN_NAMES = Object.keys(ROW_COLUMNS) as (keyof RequestRow)[];

/** The record as one row of the batch's JSON: its cells, in the order of `ROW_COLUMNS`. */
export function toCells(record: RequestRecord): Cell[] {
  const row = toRow(record);
  return COLUMN_NAMES.map((name) => row[name]);
}

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

/** Texts that came from outside are made storable and kept short. */
function toRow(record: RequestRecord): Record<keyof RequestRow, Cell> {
  const { usage } = record;
  return {
    id: record.id,
    started_at: new Date(record.startedAtMs).toISOString(),
    key_id: record.keyId,
    key_name: record.keyName,
    group_id: record.groupId,
    group_name: record.groupName,
    model: storable(record.model, 256),
    served_model: storable(record.servedModel, 256),
    upstream_id: record.upstreamId,
    upstream_name: record.upstreamName,
    route: storable(record.route, 256) ?? '',
    kind: record.kind,
    stream: record.stream,
    status: record.status,
    upstream_status: record.upstreamStatus,
    outcome: outcomeOf(record),
    error_code: storable(record.errorCode, 128),
    error_message: storable(record.errorMessage, 300),
    settlement: record.settlement,
    usage_source: record.usageSource,
    input_tokens: usage?.inputTokens ?? null,
    cached_tokens: usage?.cachedTokens ?? null,
    cache_write_tokens: usage?.cacheWriteTokens ?? null,
    output_tokens: usage?.outputTokens ?? null,
    reasoning_tokens: usage?.reasoningTokens ?? null,
    // As a string: a JSON number would lose digits beyond 2^53.
    cost_nano_usd: record.costNanoUsd === null ? null : String(record.costNanoUsd),
    price_id: record.priceId,
    first_byte_ms: record.firstByteMs === null ? null : roundMs(record.firstByteMs),
    duration_ms: roundMs(record.durationMs),
    attempts: record.attempts.length,
    request_bytes: record.requestBytes,
    response_bytes: record.responseBytes,
    session_id: storable(record.sessionId, 128),
    client: storable(record.client, 128),
    client_ip: record.clientIp && isIP(record.clientIp) ? record.clientIp : null,
    response_id: storable(record.responseId, 256),
    upstream_request_id: storable(record.upstreamRequestId, 256),
    client_request_id: storable(record.clientRequestId, 128),
    upstream_attempts:
      record.attempts.length === 0 ? null : record.attempts.map((attempt) => toAttemptCell(attempt, record)),
    keep_alives: record.keepAlives,
    client_left_action: record.clientLeftAction,
    last_event: record.lastEvent,
    decision: storableJson(record.decision),
    compaction: record.compaction && toCompactionCell(record.compaction),
    service_tier: storable(record.serviceTier, 64),
    base_cost_nano_usd: record.baseCostNanoUsd === null ? null : String(record.baseCostNanoUsd),
    price_multiplier: record.priceMultiplier === null ? null : formatMultiplier(record.priceMultiplier),
    priced_calls: record.pricedCalls,
    cache_drop: record.cacheDrop,
  };
}

function toCompactionCell(note: CompactionNote): CompactionCell {
  return {
    form: note.form,
    by: note.by,
    tokens_before: note.tokensBefore,
    tokens_after: note.tokensAfter,
    items_before: note.itemsBefore,
    items_after: note.itemsAfter,
    chunks: note.chunks,
    request_id: note.requestId,
  };
}

/** The same for every text inside a value that becomes JSON. */
function storableJson(value: unknown): object | null {
  if (value === null || value === undefined) return null;
  return JSON.parse(JSON.stringify(value), (_, part: unknown) =>
    typeof part === 'string' ? storable(part, 2_000) : part,
  ) as object;
}
