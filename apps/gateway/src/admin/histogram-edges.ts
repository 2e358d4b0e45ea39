import { AdminProblem } from '../http/admin-problem.js';

const BUCKETS_MAX = 400;
const BUCKETS_DEFAULT = 60;

/**
 * Where the buckets of a histogram begin, and where the last one ends. Those of an interval begin at multiples of it in UTC, so
 * that they stay where they are as time goes on; the first and the last are cut off by the range.
 */
export function histogramEdges(query: {
  from: string;
  to: string;
  buckets?: number | undefined;
  interval_seconds?: number | undefined;
}): Date[] {
  const [from, to] = [Date.parse(query.from), Date.parse(query.to)];
  const intervalMs =
    query.interval_seconds === undefined
      ? Math.ceil((to - from) / (query.buckets ?? BUCKETS_DEFAULT))
      : query.interval_seconds * 1000;
  const origin = query.interval_seconds === undefined ? from : Math.floor(from / intervalMs) * intervalMs;
  const count = Math.ceil((to - origin) / intervalMs);
  if (count > BUCKETS_MAX) {
    const message = `would make ${count} buckets: ${BUCKETS_MAX} are the most; make it longer, or the time shorter`;
    throw AdminProblem.invalid([{ path: 'interval_seconds', message }]);
  }
  return Array.from({ length: count + 1 }, (_, i) => new Date(Math.min(to, Math.max(from, origin + i * intervalMs))));
}
