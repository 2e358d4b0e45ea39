import { formatMultiplier } from '@app/models';
import type { RequestRecord } from './request-record.js';
import { ASKED_COLUMN_NAMES, type Cell, COLUMN_NAMES, type RequestRow } from './request-row.js';
import type { RowText } from './row-text.js';
import { storable } from './storable.js';

const FORMAT = 1;
const HTTP_OK = 200;
/** What a client would have been told, had there been somebody to tell it. */
const CRASH_STATUS = 500;
const CRASH_MESSAGE = 'the gateway ended before the answer did';

/** Cells of a record `opened`, behind those that its row begins with. */
const ESTIMATE_COLUMNS = [
  'input_tokens',
  'output_tokens',
  'cost_nano_usd',
  'price_id',
  'base_cost_nano_usd',
  'price_multiplier',
  'service_tier',
  'priced_calls',
] as const satisfies readonly (keyof RequestRow)[];

const OPENED_COLUMNS: readonly (keyof RequestRow)[] = [...ASKED_COLUMN_NAMES, ...ESTIMATE_COLUMNS];

/** Names of the cells in a segment's records; each segment tells its own, as releases differ. */
export interface SegmentHeader {
  readonly format: number;
  readonly opened: readonly string[];
  readonly row: readonly string[];
}

/** The header of the segments of this release. */
export const HEADER = JSON.stringify({ format: FORMAT, opened: OPENED_COLUMNS, row: COLUMN_NAMES });

/** null: a header that this release cannot read. */
export function readHeader(text: string): SegmentHeader | null {
  const header = JSON.parse(text) as SegmentHeader;
  return header.format === FORMAT ? header : null;
}

/** The id in the text of a record. */
export function idIn(text: string): string {
  return text.slice(2, 38);
}

/** The text of a record `opened`. */
export function openedText(record: RequestRecord, row: RowText): string {
  const { estimate } = record;
  const pricing = estimate?.pricing ?? null;
  const tier = record.serviceTier ?? pricing?.askedTier ?? null;
  const charge = estimate && pricing ? pricing.chargeOf(estimate.usage, tier, estimate.calls) : null;
  const estimated = JSON.stringify([
    estimate?.usage.inputTokens ?? null,
    estimate?.usage.outputTokens ?? null,
    charge && String(charge.nanoUsd),
    pricing?.version?.id ?? null,
    charge && String(charge.baseNanoUsd),
    pricing && formatMultiplier(pricing.multiplier),
    storable(tier, 64),
    estimate?.calls ?? null,
  ] satisfies { [Index in keyof typeof ESTIMATE_COLUMNS]: Cell });
  return `[${row.askedPart(record)},${estimated.slice(1)}`;
}

/** The text of a record `settled`: the row of a record that has not closed yet, as it would be if nothing more came. */
export function settledText(record: RequestRecord, row: RowText): string {
  const { upstreamStatus, firstByteMs } = record;
  let { status, settlement } = record;
  if (status === 0) status = upstreamStatus !== null && upstreamStatus < 300 ? upstreamStatus : HTTP_OK;
  if (settlement === 'open') settlement = firstByteMs === null ? 'interrupted' : 'partial';
  row.update(record, status, settlement);
  return row.whole(record);
}

/** A row of another release as one of this: by the names of its cells, as one may have more of them than the other. */
export function rowTextFrom(text: string, columns: readonly string[]): string {
  const row = namedCells(text, columns);
  return JSON.stringify(COLUMN_NAMES.map((name) => row.get(name) ?? null));
}

/** The row of a request whose process has died, made of its record `opened`. */
export function crashRowText(text: string, columns: readonly string[], diedAtMs: number): string {
  const opened = namedCells(text, columns);
  const inputTokens = opened.get('input_tokens') ?? null;
  const isEstimated = inputTokens !== null;
  const startedAtMs = Date.parse(String(opened.get('started_at')));
  const crash: Partial<Record<keyof RequestRow, Cell>> = {
    status: CRASH_STATUS,
    outcome: 'gateway_crash',
    error_message: CRASH_MESSAGE,
    settlement: isEstimated ? 'estimated' : 'interrupted',
    usage_source: isEstimated ? 'estimate' : 'none',
    cached_tokens: isEstimated ? 0 : null,
    cache_write_tokens: isEstimated ? 0 : null,
    // Of a journal of an older release.
    output_tokens: isEstimated ? 0 : null,
    reasoning_tokens: isEstimated ? 0 : null,
    duration_ms: Math.max(0, Math.round(diedAtMs - startedAtMs)),
    attempts: 1,
    response_bytes: 0,
    keep_alives: 0,
  };
  return JSON.stringify(COLUMN_NAMES.map((name) => opened.get(name) ?? crash[name] ?? null));
}

function namedCells(text: string, columns: readonly string[]): Map<string, Cell> {
  const cells = JSON.parse(text) as Cell[];
  return new Map(columns.map((name, index) => [name, cells[index] ?? null]));
}
