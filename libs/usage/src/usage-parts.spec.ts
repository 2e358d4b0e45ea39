import { randomInt } from 'node:crypto';
import { usageParts, type UsageTime } from './usage-parts.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const NOW_MS = Date.parse('2026-11-25T13:45:17.123Z');
const UNITS_MS: Readonly<Record<string, number>> = {
  usage_days: DAY_MS,
  usage_hours: HOUR_MS,
  usage_minutes: MINUTE_MS,
};

interface Part {
  table: string;
  fromMs: number;
  toMs: number;
}

function partsOf(startMs: number, endMs: number, bucket: UsageTime['bucket']): Part[] {
  const parts = usageParts({ start: new Date(startMs), end: new Date(endMs), bucket }, NOW_MS);
  return parts
    .map(({ sql, values: [from, to] }) => ({
      table: /FROM (\w+) WHERE/.exec(sql)?.[1] ?? '',
      fromMs: Number(from),
      toMs: Number(to),
    }))
    .toSorted((a, b) => a.fromMs - b.fromMs);
}

describe('the parts of a time', () => {
  it('cover it once, in whole units', () => {
    for (let round = 0; round < 300; round++) {
      const startMs = NOW_MS - randomInt([400, 40, 3][round % 3] ?? 1) * DAY_MS - randomInt(DAY_MS);
      const endMs = startMs + randomInt(randomInt(1, [900, 30, 2][round % 3] ?? 1) * DAY_MS);
      const bucket = (['minute', 'hour', 'day', 'month', 'total'] as const)[round % 5] ?? 'total';
      let atMs = startMs;
      for (const { table, fromMs, toMs } of partsOf(startMs, endMs, bucket)) {
        expect(fromMs).toBe(atMs);
        const unitMs = UNITS_MS[table] ?? 1;
        expect([fromMs % unitMs, toMs % unitMs]).toEqual([0, 0]);
        expect(unitMs).toBeLessThanOrEqual(
          { minute: MINUTE_MS, hour: HOUR_MS, day: DAY_MS, month: DAY_MS, total: DAY_MS }[bucket],
        );
        atMs = toMs;
      }
      expect(atMs).toBe(endMs);
    }
  });

  it('are rows for less than a minute at each end, and for less than an hour where there are no minutes', () => {
    const yearAgoMs = NOW_MS - 365 * DAY_MS;
    expect(partsOf(NOW_MS - DAY_MS, NOW_MS, 'minute').map(({ table }) => table)).toEqual([
      'request_log',
      'usage_minutes',
      'request_log',
    ]);
    expect(partsOf(yearAgoMs, NOW_MS, 'day').map(({ table }) => table)).toEqual([
      'request_log',
      'usage_hours',
      'usage_days',
      'usage_hours',
      'usage_minutes',
      'request_log',
    ]);
    for (let round = 0; round < 500; round++) {
      const parts = partsOf(yearAgoMs - randomInt(DAY_MS), NOW_MS - randomInt(DAY_MS), 'total');
      const [first, ...others] = parts.filter(({ table }) => table === 'request_log');
      expect((first?.toMs ?? 0) - (first?.fromMs ?? 0)).toBeLessThan(HOUR_MS);
      for (const { fromMs, toMs } of others) expect(toMs - fromMs).toBeLessThan(MINUTE_MS);
    }
  });

  it('are none of the totals when the time is empty', () => {
    expect(partsOf(NOW_MS, NOW_MS, 'day')).toEqual([{ table: 'request_log', fromMs: NOW_MS, toMs: NOW_MS }]);
  });
});
