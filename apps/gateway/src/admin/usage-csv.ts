import type { Usage, UsageQuery } from '@app/contract';
import { csvLine } from './csv.js';

type ShownUsage = Usage['data'][number];

const COLUMNS: Readonly<Record<UsageQuery['group_by'][number], readonly (keyof ShownUsage)[]>> = {
  key: ['key_id', 'key_name'],
  group: ['group_id', 'group_name'],
  model: ['model'],
  upstream: ['upstream_id', 'upstream_name'],
  error: ['error'],
  client: ['client'],
  owner: ['owner'],
  service_tier: ['service_tier'],
};
const TOTALS: readonly (keyof ShownUsage)[] = [
  'requests',
  'errors',
  'input_tokens',
  'cached_tokens',
  'cache_write_tokens',
  'output_tokens',
  'reasoning_tokens',
  'cost_usd',
];

/** Usage totals as CSV, with a head line: what they are grouped by, then the totals. */
export function usageCsv(data: readonly ShownUsage[], groupBy: UsageQuery['group_by']): string {
  const columns = ['start', 'end', ...groupBy.flatMap((dimension) => COLUMNS[dimension]), ...TOTALS] as const;
  return [columns, ...data.map((row) => columns.map((column) => row[column] ?? null))].map(csvLine).join('');
}
