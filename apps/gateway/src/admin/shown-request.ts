import { type Request, toPublicId } from '@app/contract';
import type { RequestRow } from '@app/journal';
import { formatMultiplier, formatUsd, parseMultiplier } from '@app/models';

/** A row of the log as the API shows it. */
export function toRequest(row: RequestRow): Request {
  const publicId = (kind: 'key' | 'group' | 'upstream', id: string | null) => id && toPublicId(kind, id);
  const count = (value: bigint | null) => (value === null ? null : Number(value));
  return {
    id: toPublicId('request', row.id),
    started_at: row.started_at.toISOString(),
    key_id: publicId('key', row.key_id),
    key_name: row.key_name,
    group_id: publicId('group', row.group_id),
    group_name: row.group_name,
    model: row.model,
    served_model: row.served_model,
    upstream_id: publicId('upstream', row.upstream_id),
    upstream_name: row.upstream_name,
    route: row.route,
    kind: row.kind,
    stream: row.stream,
    status: row.status,
    upstream_status: row.upstream_status,
    outcome: row.outcome as Request['outcome'],
    error_code: row.error_code,
    error_message: row.error_message,
    settlement: row.settlement as Request['settlement'],
    usage_source: row.usage_source,
    usage_estimated: row.settlement === 'estimated',
    input_tokens: count(row.input_tokens),
    cached_tokens: count(row.cached_tokens),
    cache_write_tokens: count(row.cache_write_tokens),
    output_tokens: count(row.output_tokens),
    reasoning_tokens: count(row.reasoning_tokens),
    usage_anomaly: isAnomalous(row),
    service_tier: row.service_tier,
    cost_usd: row.cost_nano_usd === null ? null : formatUsd(row.cost_nano_usd),
    ...shownPricing(row),
    first_byte_ms: row.first_byte_ms,
    duration_ms: row.duration_ms,
    attempts: row.attempts,
    session_id: row.session_id,
    client: row.client,
    client_ip: row.client_ip,
    request_bytes: Number(row.request_bytes),
    response_bytes: Number(row.response_bytes),
    response_id: row.response_id,
    upstream_request_id: row.upstream_request_id,
    client_request_id: row.client_request_id,
    upstream_attempts: (row.upstream_attempts ?? []).map((attempt) => ({
      upstream_id: toPublicId('upstream', attempt.upstream_id ?? row.upstream_id ?? ''),
      upstream_name: attempt.upstream_name ?? row.upstream_name ?? '',
      status: attempt.status,
      problem: attempt.problem ?? null,
      connection: attempt.connection ?? null,
      sent_ms: attempt.sent_ms ?? null,
      first_byte_ms: attempt.first_byte_ms ?? null,
      duration_ms: attempt.duration_ms,
      headers: attempt.headers ?? {},
    })),
    keep_alives: row.keep_alives,
    client_left_action: row.client_left_action as Request['client_left_action'],
    last_event: row.last_event,
    compaction: row.compaction && toCompaction(row.compaction),
    cache_drop: row.cache_drop,
    decision: row.decision as Request['decision'],
  };
}

/** Rows from before the first price multiplier have none: their cost is the base cost. */
function shownPricing(row: RequestRow) {
  const { cost_nano_usd: cost, price_id: priceId, price_multiplier: multiplier, usage_source: usageSource } = row;
  const base = row.base_cost_nano_usd ?? (multiplier === null ? cost : null);
  const isCeiling = priceId === null && cost !== null && usageSource !== 'none';
  return {
    base_cost_usd: base === null ? null : formatUsd(base),
    price_multiplier: multiplier === null ? null : formatMultiplier(parseMultiplier(String(multiplier)) ?? 0n),
    price_id: priceId && toPublicId('price', priceId),
    price_source: priceId === null ? (isCeiling ? ('ceiling' as const) : null) : ('version' as const),
    priced_calls: row.priced_calls,
  };
}

function isAnomalous(row: RequestRow): boolean {
  const [input, cached, written] = [row.input_tokens ?? 0n, row.cached_tokens ?? 0n, row.cache_write_tokens ?? 0n];
  return cached + written > input || (row.reasoning_tokens ?? 0n) > (row.output_tokens ?? 0n);
}

function toCompaction({
  request_id: requestId,
  ...cell
}: NonNullable<RequestRow['compaction']>): Request['compaction'] {
  const { tokens_before: before, tokens_after: after } = cell;
  const ratio = before && after !== null ? Math.round((after / before) * 1000) / 1000 : null;
  return { ...cell, ratio, compaction_request: requestId };
}
