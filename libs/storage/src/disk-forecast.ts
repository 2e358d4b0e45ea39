const DAY_MS = 86_400_000;
/** Ten years: what is further away nobody plans for. */
const DAYS_MAX = 3_650;

/** What a table takes, and how fast it grows. */
export interface TableUsage {
  readonly name: string;
  readonly bytes: number;
  /** What comes in a day, before anything is dropped. */
  readonly bytesPerDay: number;
  /** null: for ever */
  readonly keptDays: number | null;
  /** How many days a partition is for at most, which is dropped as a whole; of a table that is kept for ever, 0. */
  readonly partitionDays: number;
  readonly partitions: readonly PartitionUsage[];
}

export interface PartitionUsage {
  /** Rows in it are from before then. */
  readonly toMs: number;
  readonly bytes: number;
}

/**
 * In how many days `bytes` will have grown to the budget when all goes on as it is, with what retention drops until then; 0 when
 * it is that much already, null when it does not happen within ten years.
 */
export function daysUntilBudget(
  bytes: number,
  tables: readonly TableUsage[],
  budgetBytes: number,
  nowMs: number,
): number | null {
  const dropped = new Float64Array(DAYS_MAX + 1);
  const drop = (day: number, what: number) => {
    if (day <= DAYS_MAX) dropped[day] = (dropped[day] ?? 0) + what;
  };
  let perDay = 0;
  /** Of tables whose first row of today is dropped that day: from then on as much goes as comes. */
  const fullAt = new Map<number, number>();
  for (const { bytesPerDay, keptDays, partitionDays, partitions } of tables) {
    perDay += bytesPerDay;
    if (keptDays === null) continue;
    for (const partition of partitions) {
      drop(Math.max(1, Math.ceil((partition.toMs - nowMs) / DAY_MS + keptDays)), partition.bytes);
    }
    const day = keptDays + partitionDays;
    fullAt.set(day, (fullAt.get(day) ?? 0) + bytesPerDay);
  }
  let total = bytes;
  for (let day = 0; day <= DAYS_MAX; day++) {
    if (day > 0) total += perDay - (dropped[day] ?? 0);
    if (total >= budgetBytes) return day;
    perDay -= fullAt.get(day) ?? 0;
  }
  return null;
}
