import { Injectable } from '@nestjs/common';
import { Prisma, PrismaService } from '@app/database';

export type UsageBucket = 'hour' | 'day' | 'month' | 'total';
export type UsageDimension = 'key' | 'group' | 'model' | 'upstream';

export interface UsageQuery {
  /** Inclusive. */
  start: Date;
  /** Exclusive. */
  end: Date;
  bucket: UsageBucket;
  groupBy: readonly UsageDimension[];
}

/** Totals of one bucket and one combination of the grouped dimensions; a dimension that is not grouped by is null. */
export interface UsageTotals {
  start: Date;
  key_id: string | null;
  key_name: string | null;
  group_id: string | null;
  group_name: string | null;
  model: string | null;
  upstream_id: string | null;
  upstream_name: string | null;
  requests: bigint;
  errors: bigint;
  input_tokens: bigint;
  cached_tokens: bigint;
  cache_write_tokens: bigint;
  output_tokens: bigint;
  reasoning_tokens: bigint;
  cost_nano_usd: bigint;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const NO_ID = '00000000-0000-0000-0000-000000000000';

const COLUMNS: Readonly<Record<UsageDimension, string>> = {
  key: 'key_id',
  group: 'group_id',
  model: 'model',
  upstream: 'upstream_id',
};

const TOTALS = [
  'requests',
  'errors',
  'input_tokens',
  'cached_tokens',
  'cache_write_tokens',
  'output_tokens',
  'reasoning_tokens',
  'cost_nano_usd',
];

/**
 * Usage totals that equal the sum of the request rows of exactly the asked time: whole days and hours come from the
 * totals tables, the rest at both ends from the rows themselves. One statement, hence one snapshot of all three.
 */
@Injectable()
export class UsageReport {
  constructor(private readonly prisma: PrismaService) {}

  totals(query: UsageQuery): Promise<UsageTotals[]> {
    const { bucket, groupBy } = query;
    const dimensions = groupBy.map((dimension) => COLUMNS[dimension]);
    const start =
      bucket === 'total' ? Prisma.sql`${query.start}::timestamptz` : Prisma.sql`date_trunc(${bucket}, at, 'UTC')`;
    const keys = ['start', ...dimensions].map((name) => Prisma.raw(name));
    const name = (dimension: UsageDimension, table: string) =>
      groupBy.includes(dimension)
        ? Prisma.raw(`(SELECT name FROM ${table} WHERE ${table}.id = ${COLUMNS[dimension]}) AS ${dimension}_name`)
        : Prisma.raw(`NULL::text AS ${dimension}_name`);
    return this.prisma.$queryRaw<UsageTotals[]>(Prisma.sql`
      WITH parts AS (${Prisma.join(parts(query), ' UNION ALL ')}),
      summed AS (
        SELECT ${start} AS start, ${Prisma.join(
          Object.values(COLUMNS).map((column) =>
            dimensions.includes(column) ? Prisma.raw(column) : Prisma.raw(`NULL AS ${column}`),
          ),
        )}, ${Prisma.raw(TOTALS.map((total) => `sum(${total})::bigint AS ${total}`).join(', '))}
        FROM parts GROUP BY ${Prisma.join(keys)}
      )
      SELECT start, ${Prisma.raw(TOTALS.join(', '))},
        ${Prisma.raw(dimensions.includes('model') ? `nullif(model, '') AS model` : 'NULL::text AS model')},
        ${idColumn('key', groupBy)}, ${idColumn('group', groupBy)}, ${idColumn('upstream', groupBy)},
        ${name('key', 'api_keys')}, ${name('group', 'groups')}, ${name('upstream', 'upstreams')}
      FROM summed ORDER BY ${Prisma.join(keys)}`);
  }
}

function idColumn(dimension: UsageDimension, groupBy: readonly UsageDimension[]): Prisma.Sql {
  const column = COLUMNS[dimension];
  return Prisma.raw(
    groupBy.includes(dimension) ? `nullif(${column}, '${NO_ID}') AS ${column}` : `NULL::uuid AS ${column}`,
  );
}

/** The asked time cut into whole days, whole hours and rests; together they cover it once. */
function parts({ start, end, bucket }: UsageQuery): Prisma.Sql[] {
  const from = start.getTime();
  const to = Math.max(from, end.getTime());
  const hours = within(from, to, HOUR_MS);
  const days = bucket === 'hour' ? { from: hours.to, to: hours.to } : within(hours.from, hours.to, DAY_MS);
  return [
    rows(from, hours.from),
    totals('usage_hours', hours.from, days.from),
    totals('usage_days', days.from, days.to),
    totals('usage_hours', days.to, hours.to),
    rows(hours.to, to),
  ];
}

/** The largest run of whole units within [from, to); empty, and at `to`, when there is none. */
function within(from: number, to: number, unitMs: number): { from: number; to: number } {
  const first = Math.ceil(from / unitMs) * unitMs;
  const last = Math.floor(to / unitMs) * unitMs;
  return first < last ? { from: first, to: last } : { from: to, to };
}

function totals(table: string, from: number, to: number): Prisma.Sql {
  return Prisma.sql`
    SELECT starts_at AS at, key_id, group_id, model, upstream_id, ${Prisma.raw(TOTALS.join(', '))}
    FROM ${Prisma.raw(table)} WHERE starts_at >= ${new Date(from)} AND starts_at < ${new Date(to)}`;
}

function rows(from: number, to: number): Prisma.Sql {
  return Prisma.sql`
    SELECT started_at AS at, coalesce(key_id, ${NO_ID}::uuid) AS key_id, coalesce(group_id, ${NO_ID}::uuid) AS group_id,
      coalesce(model, '') AS model, coalesce(upstream_id, ${NO_ID}::uuid) AS upstream_id, 1 AS requests,
      CASE WHEN outcome IN ('ok', 'client_left') THEN 0 ELSE 1 END AS errors,
      coalesce(input_tokens, 0) AS input_tokens, coalesce(cached_tokens, 0) AS cached_tokens,
      coalesce(cache_write_tokens, 0) AS cache_write_tokens, coalesce(output_tokens, 0) AS output_tokens,
      coalesce(reasoning_tokens, 0) AS reasoning_tokens, coalesce(cost_nano_usd, 0) AS cost_nano_usd
    FROM request_log WHERE started_at >= ${new Date(from)} AND started_at < ${new Date(to)}`;
}
