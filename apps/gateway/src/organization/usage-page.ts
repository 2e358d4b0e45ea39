import type { UsageTotals } from '@app/usage';
import type { OrganizationQuery } from './organization-query.js';

interface Bucket<Result> {
  object: 'bucket';
  start_time: number;
  end_time: number;
  results: Result[];
}

/** A page of buckets, as OpenAI's usage API answers. */
export interface UsagePage<Result> {
  object: 'page';
  data: Bucket<Result>[];
  has_more: boolean;
  next_page: string | null;
}

/** Every bucket of the page, those in which nothing was used without a result. */
export function usagePage<Result>(
  { start, end, bucketSeconds, pageStart, pageEnd, groups }: OrganizationQuery,
  totals: readonly UsageTotals[],
  toResult: (totals: UsageTotals, groups: ReadonlySet<string>) => Result,
): UsagePage<Result> {
  const data: Bucket<Result>[] = [];
  const byStart = new Map<number, Bucket<Result>>();
  const first = Math.floor(pageStart / bucketSeconds) * bucketSeconds;
  for (let at = first; at < pageEnd; at += bucketSeconds) {
    const times = { start_time: Math.max(at, start), end_time: Math.min(at + bucketSeconds, end) };
    const bucket: Bucket<Result> = { object: 'bucket', ...times, results: [] };
    data.push(bucket);
    byStart.set(at, bucket);
  }
  for (const row of totals) {
    if (isUsed(row)) byStart.get(row.start.getTime() / 1000)?.results.push(toResult(row, groups));
  }
  const hasMore = pageEnd < end;
  return { object: 'page', data, has_more: hasMore, next_page: hasMore ? `page_${pageEnd}` : null };
}

/** Requests that were refused before an upstream was asked are none to OpenAI's clients. */
function isUsed(row: UsageTotals): boolean {
  return row.upstream_requests > 0n || row.input_tokens > 0n || row.output_tokens > 0n || row.cost_nano_usd !== 0n;
}
