import type { TestDatabase } from './database.js';

const NO_ID = '00000000-0000-0000-0000-000000000000';

/** The totals of rows that a test has put into the log by itself. @param rows a condition that finds these rows */
export async function addTotals(database: TestDatabase, rows: string): Promise<void> {
  for (const unit of ['minute', 'hour', 'day']) {
    const isKept =
      unit === 'minute' ? 'started_at >= usage_minutes_from() AND started_at < usage_minutes_to()' : 'true';
    await database.query(
      `INSERT INTO usage_${unit}s SELECT date_trunc('${unit}', started_at, 'UTC'), coalesce(key_id, '${NO_ID}'),
        coalesce(group_id, '${NO_ID}'), coalesce(model, ''), coalesce(upstream_id, '${NO_ID}'), count(*),
        count(*) FILTER (WHERE outcome NOT IN ('ok', 'client_left')), coalesce(sum(input_tokens), 0), coalesce(sum(cached_tokens), 0),
        coalesce(sum(cache_write_tokens), 0), coalesce(sum(output_tokens), 0), coalesce(sum(reasoning_tokens), 0),
        coalesce(sum(cost_nano_usd), 0), usage_error(outcome, error_code), usage_client(key_id, client), usage_service_tier(service_tier)
      FROM request_log WHERE (${rows}) AND ${isKept} GROUP BY 1, 2, 3, 4, 5, 14, 15, 16`,
    );
  }
}
