/** The tables of totals, each with the time that one of its rows stands for. Rows of other times have no minutes. */
const TABLES = [
  { name: 'minutes', unit: 'minute', where: 'started_at >= usage_minutes_from() AND started_at < usage_minutes_to()' },
  { name: 'hours', unit: 'hour', where: 'true' },
  { name: 'days', unit: 'day', where: 'true' },
];

const NO_ID = `'00000000-0000-0000-0000-000000000000'`;
const KEY = 'starts_at, key_id, group_id, model, upstream_id, error, client, service_tier';
const KEY_CELLS = `coalesce(key_id, ${NO_ID}) AS key_id, coalesce(group_id, ${NO_ID}) AS group_id, coalesce(model, '') AS model,
    coalesce(upstream_id, ${NO_ID}) AS upstream_id, usage_error(outcome, error_code) AS error, usage_client(key_id, client) AS client,
    usage_service_tier(service_tier) AS service_tier`;

const SUMS = [
  'input_tokens',
  'cached_tokens',
  'cache_write_tokens',
  'output_tokens',
  'reasoning_tokens',
  'cost_nano_usd',
] as const;

/** What totals count of rows, by the names of their columns. */
export const MEASURES = ['requests', 'errors', ...SUMS] as const;
export type Measure = (typeof MEASURES)[number];

/** The same of a group of rows, in SQL and in the same order. */
export const MEASURES_OF_ROWS: readonly string[] = [
  'count(*)',
  `count(*) FILTER (WHERE outcome NOT IN ('ok', 'client_left'))`,
  ...SUMS.map((name) => `coalesce(sum(${name}), 0)`),
];

/**
 * Common table expressions that add the rows of `inserted`, and nothing else, to the totals of their minute, hour and day; rows in
 * key order, so that replicas never deadlock.
 */
export const insertedTotals: string = totalsInto(MEASURES, 'inserted', MEASURES_OF_ROWS);

/**
 * The same for the costs of `changed`, each with its `new_cost` and its `cost` of before. In the order of the log's own insert: the
 * two never wait for each other in a circle.
 */
export const repricedTotals = (changed: string): string =>
  totalsInto(['cost_nano_usd'], changed, ['sum(coalesce(new_cost, 0) - coalesce(cost, 0))']);

function totalsInto(columns: readonly string[], from: string, values: readonly string[]): string {
  const rest = MEASURES.filter((name) => !columns.includes(name));
  return TABLES.map(
    ({ name, unit, where }) => `${name} AS (
  INSERT INTO usage_${name} AS totals (${[KEY, ...columns, ...rest].join(', ')})
  SELECT date_trunc('${unit}', started_at, 'UTC') AS starts_at, ${KEY_CELLS}, ${[...values, ...rest.map(() => '0')].join(', ')}
  FROM ${from} WHERE ${where} GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8
  ON CONFLICT (${KEY}) DO UPDATE SET ${columns.map((column) => `${column} = totals.${column} + excluded.${column}`).join(', ')}
)`,
  ).join(', ');
}
