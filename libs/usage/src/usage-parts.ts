import { Prisma } from '@app/database';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** Totals by the minute go back by three whole days, and ahead by one: a day less of each, for clocks that differ. */
const MINUTES_BACK_MS = 2 * DAY_MS;
const MINUTES_AHEAD_MS = DAY_MS;

/** A table of totals, and the time for which it has all of them. */
interface Source {
  readonly table: string;
  readonly unitMs: number;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface UsageTime {
  readonly start: Date;
  readonly end: Date;
  readonly bucket: 'minute' | 'hour' | 'day' | 'month' | 'total';
}

/**
 * Queries for all that was used in a time, each row of them with the time `at` in whose bucket it falls: cut into whole days, hours
 * and minutes, as coarse as the bucket allows, and rests that are shorter; together they cover the time once.
 */
export function usageParts({ start, end, bucket }: UsageTime, nowMs: number): Prisma.Sql[] {
  const always = { fromMs: -Infinity, toMs: Infinity };
  const minutes = { fromMs: nowMs - MINUTES_BACK_MS, toMs: nowMs + MINUTES_AHEAD_MS };
  const sources: Source[] = [
    ...(bucket === 'minute' || bucket === 'hour' ? [] : [{ table: 'usage_days', unitMs: DAY_MS, ...always }]),
    ...(bucket === 'minute' ? [] : [{ table: 'usage_hours', unitMs: HOUR_MS, ...always }]),
    { table: 'usage_minutes', unitMs: MINUTE_MS, ...minutes },
  ];
  const parts = cut(start.getTime(), end.getTime(), sources);
  return parts.length > 0 ? parts : [rows(start.getTime(), start.getTime())];
}

/** @param sources the coarsest first */
function cut(fromMs: number, toMs: number, [source, ...finer]: readonly Source[]): Prisma.Sql[] {
  if (fromMs >= toMs) return [];
  if (!source) return [rows(fromMs, toMs)];
  const { table, unitMs } = source;
  const first = Math.ceil(Math.max(fromMs, source.fromMs) / unitMs) * unitMs;
  const last = Math.floor(Math.min(toMs, source.toMs) / unitMs) * unitMs;
  if (first >= last) return cut(fromMs, toMs, finer);
  return [...cut(fromMs, first, finer), totals(table, first, last), ...cut(last, toMs, finer)];
}

function totals(table: string, fromMs: number, toMs: number): Prisma.Sql {
  return Prisma.sql`
    SELECT starts_at AS at, key_id, group_id, model, upstream_id, error, client, service_tier, requests, errors, input_tokens,
      cached_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_nano_usd
    FROM ${Prisma.raw(table)} WHERE starts_at >= ${new Date(fromMs)} AND starts_at < ${new Date(toMs)}`;
}

const NO_ID = Prisma.sql`'00000000-0000-0000-0000-000000000000'::uuid`;

function rows(fromMs: number, toMs: number): Prisma.Sql {
  return Prisma.sql`
    SELECT started_at AS at, coalesce(key_id, ${NO_ID}) AS key_id, coalesce(group_id, ${NO_ID}) AS group_id,
      coalesce(model, '') AS model, coalesce(upstream_id, ${NO_ID}) AS upstream_id, usage_error(outcome, error_code) AS error,
      usage_client(key_id, client) AS client, usage_service_tier(service_tier) AS service_tier, 1 AS requests,
      CASE WHEN outcome IN ('ok', 'client_left') THEN 0 ELSE 1 END AS errors, coalesce(input_tokens, 0) AS input_tokens,
      coalesce(cached_tokens, 0) AS cached_tokens, coalesce(cache_write_tokens, 0) AS cache_write_tokens,
      coalesce(output_tokens, 0) AS output_tokens, coalesce(reasoning_tokens, 0) AS reasoning_tokens,
      coalesce(cost_nano_usd, 0) AS cost_nano_usd
    FROM request_log WHERE started_at >= ${new Date(fromMs)} AND started_at < ${new Date(toMs)}`;
}
