import { keptSinceMs, PARTITIONED_TABLES, type PartitionedTable, timeOfPartition } from './partitioned-tables.js';

const DAY_MS = 86_400_000;
const named = (name: string) => PARTITIONED_TABLES.find((table) => table.name === name) as PartitionedTable;
const OPTIONS = {
  requestRowsDays: 30,
  requestBodiesDays: 7,
  usageHoursDays: 400,
  auditDays: 10,
  alertsDays: 1,
  diskBudgetBytes: null,
};

describe('the time of a partition', () => {
  it('is the day or the month that it is called after', () => {
    const day = timeOfPartition(named('request_log'), 'request_log_20240229');
    expect(day).toEqual({ fromMs: Date.UTC(2024, 1, 29), toMs: Date.UTC(2024, 2, 1) });
    const month = timeOfPartition(named('audit_entries'), 'audit_entries_202412');
    expect(month).toEqual({ fromMs: Date.UTC(2024, 11, 1), toMs: Date.UTC(2025, 0, 1) });
  });

  it.each(['request_log_default', 'request_log', 'request_log_202402', 'usage_hours_20240229', 'request_log_2024022x'])(
    'is unknown of %s',
    (name) => expect(timeOfPartition(named('request_log'), name)).toBeNull(),
  );
});

describe('how long rows are kept', () => {
  it('is what operators say', () => {
    expect(keptSinceMs(named('request_log'), OPTIONS, 100 * DAY_MS)).toBe(70 * DAY_MS);
    expect(keptSinceMs(named('audit_entries'), OPTIONS, 100 * DAY_MS)).toBe(90 * DAY_MS);
  });

  it('is never less for totals by the hour than for the rows that they are of', () => {
    expect(keptSinceMs(named('usage_hours'), OPTIONS, 1_000 * DAY_MS)).toBe(600 * DAY_MS);
    expect(keptSinceMs(named('usage_hours'), { ...OPTIONS, requestRowsDays: 900 }, 1_000 * DAY_MS)).toBe(100 * DAY_MS);
  });
});
