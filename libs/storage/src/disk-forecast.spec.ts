import { daysUntilBudget, type TableUsage } from './disk-forecast.js';

const DAY_MS = 86_400_000;
const NOW_MS = 1_000 * DAY_MS;

/** A table of whole days, each of ten bytes, the last of them yesterday. */
function table({ keptDays = null, days = 0 }: { keptDays?: number | null; days?: number }): TableUsage {
  return {
    name: 't',
    bytes: days * 10,
    bytesPerDay: 10,
    keptDays,
    partitionDays: keptDays === null ? 0 : 1,
    partitions: Array.from({ length: days }, (_, ago) => ({ toMs: NOW_MS - ago * DAY_MS, bytes: 10 })),
  };
}

describe('the days until a disk budget is reached', () => {
  it('are those in which the rest of it comes in, of what is kept for ever', () => {
    expect(daysUntilBudget(500, [table({})], 1_000, NOW_MS)).toBe(50);
    expect(daysUntilBudget(500, [table({}), table({})], 1_000, NOW_MS)).toBe(25);
  });

  it('are none when it is reached, and unknown when it is not within ten years', () => {
    expect(daysUntilBudget(1_000, [], 1_000, NOW_MS)).toBe(0);
    expect(daysUntilBudget(999, [], 1_000, NOW_MS)).toBeNull();
    expect(daysUntilBudget(0, [table({})], 36_501, NOW_MS)).toBeNull();
    expect(daysUntilBudget(0, [table({})], 36_500, NOW_MS)).toBe(3_650);
  });

  it('are unknown when retention drops as much as comes', () => {
    expect(daysUntilBudget(300, [table({ keptDays: 30, days: 30 })], 331, NOW_MS)).toBeNull();
  });

  it('count what comes until retention has something to drop', () => {
    const young = table({ keptDays: 30, days: 10 });
    expect(daysUntilBudget(100, [young], 290, NOW_MS)).toBe(19);
    expect(daysUntilBudget(100, [young], 320, NOW_MS)).toBeNull();
  });

  it('know that a time of which there is much will be gone', () => {
    const uneven: TableUsage = {
      ...table({ keptDays: 5 }),
      partitions: [{ toMs: NOW_MS - 3 * DAY_MS, bytes: 900 }],
    };
    expect(daysUntilBudget(900, [uneven], 915, NOW_MS)).toBeNull();
    expect(daysUntilBudget(900, [uneven], 910, NOW_MS)).toBe(1);
  });
});
