import { toPublicId, type Usage, type UsageQuery } from '@app/contract';
import { formatUsd } from '@app/models';
import type { UsageBucket, UsageTotals } from '@app/usage';

type ShownUsage = Usage['data'][number];

/** What was used in a time without a request. */
export function noUsage(start: Date, end: Date): ShownUsage {
  return {
    start: start.toISOString(),
    end: end.toISOString(),
    requests: 0,
    input_tokens: 0,
    cached_tokens: 0,
    cache_write_tokens: 0,
    output_tokens: 0,
    reasoning_tokens: 0,
    cost_usd: '0',
    errors: 0,
  };
}

/** Totals as the API shows them; those dimensions only that they are grouped by. */
export function shownUsage(
  row: UsageTotals,
  bucket: UsageBucket,
  groupBy: UsageQuery['group_by'],
  end: Date,
): ShownUsage {
  return {
    start: row.start.toISOString(),
    end: endOf(row.start, bucket, end).toISOString(),
    ...shownDimensions(row, groupBy),
    requests: Number(row.requests),
    input_tokens: Number(row.input_tokens),
    cached_tokens: Number(row.cached_tokens),
    cache_write_tokens: Number(row.cache_write_tokens),
    output_tokens: Number(row.output_tokens),
    reasoning_tokens: Number(row.reasoning_tokens),
    cost_usd: formatUsd(row.cost_nano_usd),
    errors: Number(row.errors),
  };
}

/** What totals are grouped by, as the API names it. */
export function shownDimensions(row: UsageTotals, groupBy: UsageQuery['group_by']): Partial<ShownUsage> {
  return Object.assign({}, ...groupBy.map((dimension) => DIMENSIONS[dimension](row))) as Partial<ShownUsage>;
}

const DIMENSIONS: Readonly<Record<UsageQuery['group_by'][number], (row: UsageTotals) => Partial<ShownUsage>>> = {
  key: (row) => ({ key_id: row.key_id && toPublicId('key', row.key_id), key_name: row.key_name }),
  group: (row) => ({ group_id: row.group_id && toPublicId('group', row.group_id), group_name: row.group_name }),
  model: ({ model }) => ({ model }),
  upstream: (row) => ({
    upstream_id: row.upstream_id && toPublicId('upstream', row.upstream_id),
    upstream_name: row.upstream_name,
  }),
  error: ({ error }) => ({ error }),
  client: ({ client }) => ({ client }),
  owner: ({ owner }) => ({ owner }),
  service_tier: ({ service_tier }) => ({ service_tier }),
};

const UNIT_MS = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };

/** Buckets are in UTC, where every day has 24 hours. */
function endOf(start: Date, bucket: UsageBucket, end: Date): Date {
  switch (bucket) {
    case 'month':
      return new Date(Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + 1, 1));
    case 'total':
      return end;
    default:
      return new Date(start.getTime() + UNIT_MS[bucket]);
  }
}
