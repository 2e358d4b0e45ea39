import { isIP } from 'node:net';
import { formatMultiplier } from '@app/models';
import { toAttemptCell } from './attempt-cell.js';
import { outcomeOf } from './outcome.js';
import type { CompactionNote, RequestRecord, Settlement } from './request-record.js';
import type { AskedColumn, Cell, CompactionCell, GrowingColumn, ToldColumn } from './request-row.js';
import { roundMs, storable } from './storable.js';

/**
 * The JSON of a record's row, which is written up to three times: before an upstream is asked, before the client sees the end, and
 * at the close. It is made in parts, in the order of `ROW_COLUMNS`, and a part again only when something that it tells has changed.
 */
export class RowText {
  private asked = '';
  private askedSources: readonly unknown[] = [];
  private told = '';
  private toldSources: readonly unknown[] = [];

  /** The cells that tell what is known when an upstream is asked, without their brackets. */
  askedPart(record: RequestRecord): string {
    const sources = askedSources(record);
    if (!isSame(sources, this.askedSources)) {
      this.askedSources = sources;
      this.asked = bare(JSON.stringify(askedCells(record)));
    }
    return this.asked;
  }

  /**
   * Takes the record as it stands.
   *
   * @returns whether it tells the same as the last time, but for what grows until the end
   */
  update(record: RequestRecord, status: number, settlement: Settlement): boolean {
    const { asked } = this;
    const isAskedSame = this.askedPart(record) === asked;
    const sources = toldSources(record, status, settlement);
    if (isSame(sources, this.toldSources)) return isAskedSame;
    this.toldSources = sources;
    this.told = bare(JSON.stringify(toldCells(record, status, settlement)));
    return false;
  }

  /** The whole row, as of the last `update`; what grows is as of now. */
  whole(record: RequestRecord): string {
    return `[${this.asked},${this.told},${bare(JSON.stringify(growingCells(record)))}]`;
  }
}

function bare(list: string): string {
  return list.slice(1, -1);
}

/** Whether two lists hold the same. Values are never changed in place: another one is another object. */
export function isSame(some: readonly unknown[], others: readonly unknown[]): boolean {
  if (some.length !== others.length) return false;
  for (let index = 0; index < some.length; index++) if (some[index] !== others[index]) return false;
  return true;
}

/** What `askedCells` reads. */
function askedSources(record: RequestRecord): unknown[] {
  return [
    record.keyId,
    record.keyName,
    record.groupId,
    record.groupName,
    record.model,
    record.upstreamId,
    record.upstreamName,
    record.route,
    record.kind,
    record.stream,
    record.sessionId,
    record.client,
    record.clientIp,
    record.clientRequestId,
    record.requestBytes,
  ];
}

/** What `toldCells` and the outcome are read from. */
function toldSources(record: RequestRecord, status: number, settlement: Settlement): unknown[] {
  return [
    status,
    settlement,
    record.servedModel,
    record.upstreamStatus,
    record.isComplete,
    record.responseStatus,
    record.cut,
    record.errorCode,
    record.errorMessage,
    record.usageSource,
    record.usage,
    record.serviceTier,
    record.baseCostNanoUsd,
    record.costNanoUsd,
    record.priceId,
    record.priceMultiplier,
    record.pricedCalls,
    record.attempts.length,
    record.responseId,
    record.upstreamRequestId,
    record.keepAlives,
    record.clientLeftAction,
    record.lastEvent,
    record.decision,
    record.compaction,
    record.cacheDrop,
  ];
}

/**
 * The cells of what is known when an upstream is asked. Here and below texts that came from outside are made storable and kept
 * short.
 */
function askedCells(record: RequestRecord): Cell[] {
  const cells: Record<AskedColumn, Cell> = {
    id: record.id,
    started_at: new Date(record.startedAtMs).toISOString(),
    key_id: record.keyId,
    key_name: record.keyName,
    group_id: record.groupId,
    group_name: record.groupName,
    model: storable(record.model, 256),
    upstream_id: record.upstreamId,
    upstream_name: record.upstreamName,
    route: storable(record.route, 256) ?? '',
    kind: record.kind,
    stream: record.stream,
    session_id: storable(record.sessionId, 128),
    client: storable(record.client, 128),
    client_ip: record.clientIp && isIP(record.clientIp) ? record.clientIp : null,
    client_request_id: storable(record.clientRequestId, 128),
    request_bytes: record.requestBytes,
  };
  return Object.values(cells);
}

/** The cells of what an answer tells. */
function toldCells(record: RequestRecord, status: number, settlement: Settlement): Cell[] {
  const { usage } = record;
  const cells: Record<ToldColumn, Cell> = {
    served_model: storable(record.servedModel, 256),
    status,
    upstream_status: record.upstreamStatus,
    outcome: outcomeOf(record),
    error_code: storable(record.errorCode, 128),
    error_message: storable(record.errorMessage, 300),
    settlement,
    usage_source: record.usageSource,
    input_tokens: usage?.inputTokens ?? null,
    cached_tokens: usage?.cachedTokens ?? null,
    cache_write_tokens: usage?.cacheWriteTokens ?? null,
    output_tokens: usage?.outputTokens ?? null,
    reasoning_tokens: usage?.reasoningTokens ?? null,
    // As a string: a JSON number would lose digits beyond 2^53.
    cost_nano_usd: record.costNanoUsd === null ? null : String(record.costNanoUsd),
    price_id: record.priceId,
    attempts: record.attempts.length,
    response_id: storable(record.responseId, 256),
    upstream_request_id: storable(record.upstreamRequestId, 256),
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
  return Object.values(cells);
}

/** The cells of what grows until the end. */
function growingCells(record: RequestRecord): Cell[] {
  const cells: Record<GrowingColumn, Cell> = {
    first_byte_ms: record.firstByteMs === null ? null : roundMs(record.firstByteMs),
    duration_ms: roundMs(record.durationMs),
    response_bytes: record.responseBytes,
    upstream_attempts:
      record.attempts.length === 0 ? null : record.attempts.map((attempt) => toAttemptCell(attempt, record)),
  };
  return Object.values(cells);
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
