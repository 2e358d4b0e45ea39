import { Injectable } from '@nestjs/common';
import { Prisma, QuestionPool } from '@app/database';
import { Clock } from '@app/runtime';
import { usageParts } from './usage-parts.js';

export type UsageBucket = 'minute' | 'hour' | 'day' | 'month' | 'total';
export type UsageDimension = 'key' | 'group' | 'model' | 'upstream' | 'error' | 'client' | 'owner' | 'service_tier';

/** The values of each dimension that count, ids as they are stored; an empty text stands for none. All of them must hold. */
export type UsageFilter = { readonly [Dimension in UsageDimension]?: readonly string[] | undefined };

export interface UsageQuery {
  /** Inclusive. */
  start: Date;
  /** Exclusive. */
  end: Date;
  bucket: UsageBucket;
  groupBy: readonly UsageDimension[];
  filter?: UsageFilter;
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
  error: string | null;
  client: string | null;
  owner: string | null;
  service_tier: string | null;
  requests: bigint;
  errors: bigint;
  /** Those that an upstream was asked for. */
  upstream_requests: bigint;
  input_tokens: bigint;
  cached_tokens: bigint;
  cache_write_tokens: bigint;
  output_tokens: bigint;
  reasoning_tokens: bigint;
  cost_nano_usd: bigint;
}

/** More totals than one answer is to hold. */
export class TooManyTotals extends Error {}

/** Some 25 MB while they become an answer. */
export const USAGE_TOTALS_MAX = 50_000;

const NO_ID = '00000000-0000-0000-0000-000000000000';

/** What each dimension is called in the answer, and where it is found. */
const DIMENSIONS: Readonly<Record<UsageDimension, { column: string; none: string; table?: string }>> = {
  key: { column: 'key_id', none: NO_ID, table: 'api_keys' },
  group: { column: 'group_id', none: NO_ID, table: 'groups' },
  model: { column: 'model', none: '' },
  upstream: { column: 'upstream_id', none: NO_ID, table: 'upstreams' },
  error: { column: 'error', none: '' },
  client: { column: 'client', none: '' },
  owner: { column: 'owner', none: '' },
  service_tier: { column: 'service_tier', none: '' },
};
const NAMES = Object.keys(DIMENSIONS) as UsageDimension[];

const SUMS = [
  'input_tokens',
  'cached_tokens',
  'cache_write_tokens',
  'output_tokens',
  'reasoning_tokens',
  'cost_nano_usd',
];
const ALL_SUMS = ['requests', 'errors', 'upstream_requests', ...SUMS];
const TOTALS = [
  ...['requests', 'errors', ...SUMS].map(summed),
  `coalesce(sum(requests) FILTER (WHERE upstream_id <> '${NO_ID}'), 0)::bigint AS upstream_requests`,
];

/**
 * Usage totals that equal the sum of the request rows of exactly the asked time: whole days, hours and minutes come from the
 * totals tables, what is left at both ends from the rows themselves. One statement, hence one snapshot of all of them.
 */
@Injectable()
export class UsageReport {
  constructor(
    private readonly questions: QuestionPool,
    private readonly clock: Clock,
  ) {}

  /** In the order of time and of the dimensions. @throws TooManyTotals when there are more than `USAGE_TOTALS_MAX` */
  async totals(query: UsageQuery): Promise<UsageTotals[]> {
    const { bucket, groupBy, filter = {} } = query;
    const columns = groupBy.map((dimension) => DIMENSIONS[dimension].column);
    const cells = groupBy.map((dimension) => `${valueOf(dimension)} AS ${DIMENSIONS[dimension].column}`);
    const keys = Prisma.raw(['start', ...columns].join(', '));
    const totals = await this.questions.ask<UsageTotals>(Prisma.sql`
      WITH parts AS (${Prisma.join(usageParts(query, this.clock.now()), ' UNION ALL ')}),
      binned AS (
        SELECT ${binOf(query)} AS start, ${Prisma.raw([...cells, ...TOTALS].join(', '))}
        FROM parts LEFT JOIN (SELECT id AS owned_id, owner FROM api_keys) AS owners ON owned_id = key_id
        WHERE ${Prisma.join(conditions(filter), ' AND ')} GROUP BY ${positions(columns)}
      ),
      summed AS (${bucket === 'month' ? months(columns) : Prisma.sql`SELECT * FROM binned`})
      SELECT start, ${Prisma.raw(NAMES.flatMap((name) => shown(name, groupBy)).join(', '))}, ${Prisma.raw(ALL_SUMS.join(', '))}
      FROM summed ORDER BY ${keys} LIMIT ${USAGE_TOTALS_MAX + 1}`);
    if (totals.length > USAGE_TOTALS_MAX) throw new TooManyTotals();
    return totals;
  }
}

function summed(name: string): string {
  return `sum(${name})::bigint AS ${name}`;
}

/** All of a bucket's times as one, of a month's those of a day. By arithmetic: `date_trunc` with a time zone takes longer than the sums. */
function binOf({ bucket, start }: UsageQuery): Prisma.Sql {
  if (bucket === 'total') return Prisma.sql`${start}::timestamptz`;
  const width = bucket === 'month' ? '1 day' : `1 ${bucket}`;
  return Prisma.sql`date_bin(${width}::interval, at, '1970-01-01 00:00:00Z'::timestamptz)`;
}

function months(columns: readonly string[]): Prisma.Sql {
  const cells = Prisma.raw([...columns, ...ALL_SUMS.map(summed)].join(', '));
  return Prisma.sql`SELECT date_trunc('month', start, 'UTC') AS start, ${cells} FROM binned GROUP BY ${positions(columns)}`;
}

/** The start and all that it is grouped by. */
function positions(columns: readonly string[]): Prisma.Sql {
  return Prisma.raw(['start', ...columns].map((_, index) => index + 1).join(', '));
}

/** An owner is the key's, as it is now; a deleted key has none. */
function valueOf(dimension: UsageDimension): string {
  return dimension === 'owner' ? `coalesce(owner, '')` : DIMENSIONS[dimension].column;
}

function shown(dimension: UsageDimension, groupBy: readonly UsageDimension[]): string[] {
  const { column, none, table } = DIMENSIONS[dimension];
  const isGrouped = groupBy.includes(dimension);
  const value = isGrouped ? `nullif(${column}, '${none}')` : 'NULL';
  const name = isGrouped ? `(SELECT name FROM ${table} WHERE ${table}.id = ${column})` : 'NULL';
  return [
    `${value}${table ? '::uuid' : '::text'} AS ${column}`,
    ...(table ? [`${name}::text AS ${dimension}_name`] : []),
  ];
}

function conditions(filter: UsageFilter): Prisma.Sql[] {
  const all = NAMES.flatMap((dimension) => {
    const values = filter[dimension];
    if (values === undefined) return [];
    const { none, table } = DIMENSIONS[dimension];
    const wanted = values.map((value) => (value === '' ? none : value));
    const type = Prisma.raw(table ? 'uuid[]' : 'text[]');
    return [Prisma.sql`${Prisma.raw(valueOf(dimension))} = ANY (${wanted}::${type})`];
  });
  return all.length > 0 ? all : [Prisma.sql`true`];
}
