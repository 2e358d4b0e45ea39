import type { StorageOptions } from './storage-settings.js';

/** A table that is kept for a time: in partitions by day or month (UTC), called after their beginning, and a default one. */
export interface PartitionedTable {
  readonly name: string;
  /** The column of the time. */
  readonly by: string;
  readonly unit: 'day' | 'month';
  /** Partitions that are made before they are needed. */
  readonly ahead: number;
  /** How long a row is kept at least. */
  keptDays(options: StorageOptions): number;
  /** A function of the database that notes what a partition held, in the transaction that detaches it. */
  readonly notedBy?: string;
}

/** Rows are added to the minutes of the last three days only, whatever their age when they come. */
const USAGE_MINUTES_DAYS = 4;

/** Every class of rows that retention drops. A table needs a line here, and a migration that makes it with its default partition. */
export const PARTITIONED_TABLES: readonly PartitionedTable[] = [
  { name: 'request_log', by: 'started_at', unit: 'day', ahead: 7, keptDays: (options) => options.requestRowsDays },
  { name: 'request_bodies', by: 'started_at', unit: 'day', ahead: 7, keptDays: (options) => options.requestBodiesDays },
  {
    name: 'usage_hours',
    by: 'starts_at',
    unit: 'month',
    ahead: 2,
    // Rows that are priced again change the totals of their hour.
    keptDays: ({ usageHoursDays, requestRowsDays }) => Math.max(usageHoursDays, requestRowsDays),
  },
  { name: 'usage_minutes', by: 'starts_at', unit: 'day', ahead: 7, keptDays: () => USAGE_MINUTES_DAYS },
  {
    name: 'audit_entries',
    by: 'at',
    unit: 'month',
    ahead: 2,
    keptDays: (options) => options.auditDays,
    notedBy: 'note_dropped_audit_entries',
  },
];

const DAY_MS = 86_400_000;

/** The time that a partition is for, by its name; null for the default partition and for what is no partition of the table. */
export function timeOfPartition(
  { name, unit }: PartitionedTable,
  partition: string,
): { fromMs: number; toMs: number } | null {
  const digits = partition.startsWith(`${name}_`) ? partition.slice(name.length + 1) : '';
  if (!(unit === 'day' ? /^\d{8}$/ : /^\d{6}$/).test(digits)) return null;
  const [year, month, day] = [digits.slice(0, 4), digits.slice(4, 6), digits.slice(6) || '01'].map(Number) as [
    number,
    number,
    number,
  ];
  const fromMs = Date.UTC(year, month - 1, day);
  return { fromMs, toMs: unit === 'day' ? fromMs + DAY_MS : Date.UTC(year, month, 1) };
}

/** Rows from before then are not kept any more. */
export function keptSinceMs(table: PartitionedTable, options: StorageOptions, nowMs: number): number {
  return nowMs - table.keptDays(options) * DAY_MS;
}
