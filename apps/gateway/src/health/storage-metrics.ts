import type { RequestJournal } from '@app/journal';
import type { DiskUsage } from '@app/storage';
import type { GatewayMetrics } from './gateway-metrics.js';

/** Adds to `/metrics` what the database takes, and when it is too much; as of the last hour. */
export function showStorage(usage: DiskUsage, journal: RequestJournal, metrics: GatewayMetrics): void {
  metrics.showGauge(
    'tollgate_database_bytes',
    'Size of the database, as measured within the last hour',
    () => usage.last?.bytes ?? Number.NaN,
  );
  metrics.showGauge(
    'tollgate_disk_budget_days',
    'Days until the disk budget is reached; +Inf: not within ten years, or there is no budget',
    () => (usage.last ? (usage.daysUntilBudget(usage.last, journal.bytes) ?? Infinity) : Number.NaN),
  );
}
