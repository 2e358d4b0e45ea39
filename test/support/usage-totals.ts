import type { TestDatabase } from './database.js';

const NO_ID = '00000000-0000-0000-0000-000000000000';
const UNITS = ['minute', 'hour', 'day'] as const;

/** Which rows have totals of that unit, or which totals are still right. */
function isKept(unit: (typeof UNITS)[number], column: string): string {
  return unit === 'minute' ? `${column} >= usage_minutes_from() AND ${column} < usage_minutes_to()` : 'true';
}

/** What rows of the log add up to, as the table of that unit has it. @param rows a condition that finds these rows */
function sumsOf(unit: (typeof UNITS)[number], rows: string): string {
  return `SELECT date_trunc('${unit}', started_at, 'UTC'), coalesce(key_id, '${NO_ID}'),
      coalesce(group_id, '${NO_ID}'), coalesce(model, ''), coalesce(upstream_id, '${NO_ID}'), count(*),
      count(*) FILTER (WHERE outcome NOT IN ('ok', 'client_left')), coalesce(sum(input_tokens), 0), coalesce(sum(cached_tokens), 0),
      coalesce(sum(cache_write_tokens), 0), coalesce(sum(output_tokens), 0), coalesce(sum(reasoning_tokens), 0),
      coalesce(sum(cost_nano_usd), 0), usage_error(outcome, error_code), usage_client(key_id, client), usage_service_tier(service_tier)
    FROM request_log WHERE (${rows}) AND ${isKept(unit, 'started_at')} GROUP BY 1, 2, 3, 4, 5, 14, 15, 16`;
}

/** Adds the totals of rows that a test has put into the log by itself. @param rows a condition that finds these rows */
export async function addTotals(database: TestDatabase, rows: string): Promise<void> {
  for (const unit of UNITS) await database.query(`INSERT INTO usage_${unit}s ${sumsOf(unit, rows)}`);
}

/** Totals that no rows add up to, and sums of rows that no totals have. */
export async function wrongTotals(database: Pick<TestDatabase, 'query'>): Promise<object[]> {
  const ofUnits = await Promise.all(
    UNITS.map((unit) => {
      const totals = `SELECT * FROM usage_${unit}s WHERE ${isKept(unit, 'starts_at')}`;
      const sums = sumsOf(unit, 'true');
      return database.query<object>(`(${totals} EXCEPT ${sums}) UNION ALL (${sums} EXCEPT ${totals})`);
    }),
  );
  return ofUnits.flat();
}
