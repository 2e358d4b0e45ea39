/** How finely a rolling window knows its time. */
export const BUCKETS_PER_PERIOD = 240;
/** The one that is being filled, and a whole period before it. */
export const SLOTS = BUCKETS_PER_PERIOD + 1;

/**
 * How much came in within the last so many milliseconds, in buckets of a 240th of the period: nothing leaves before its period is
 * over, and nothing stays longer than a bucket more. Time is monotonic, so that a clock that is set does not give anything back.
 */
export class RollingWindow {
  private readonly amounts = new Float64Array(SLOTS);
  private readonly bucketMs: number;
  private newest = Number.NEGATIVE_INFINITY;
  /** The newest bucket that something came into. */
  private newestFilled = Number.NEGATIVE_INFINITY;
  private sum = 0;

  constructor(readonly periodMs: number) {
    this.bucketMs = periodMs / BUCKETS_PER_PERIOD;
  }

  used(nowMs: number): number {
    this.advance(nowMs);
    return this.sum;
  }

  add(amount: number, nowMs: number): void {
    this.advance(nowMs);
    // What happened before the oldest bucket is over already.
    const bucket = Math.floor(nowMs / this.bucketMs);
    if (bucket <= this.newest - SLOTS) return;
    const index = slotOf(bucket);
    this.amounts[index] = (this.amounts[index] ?? 0) + amount;
    this.sum += amount;
    if (amount > 0 && bucket > this.newestFilled) this.newestFilled = bucket;
  }

  /** What is in it, as ages in milliseconds and amounts. */
  entries(nowMs: number): [ageMs: number, amount: number][] {
    this.advance(nowMs);
    const entries: [number, number][] = [];
    for (let age = SLOTS - 1; age >= 0; age--) {
      const amount = this.amounts[slotOf(this.newest - age)] ?? 0;
      if (amount !== 0)
        entries.push([Math.max(0, nowMs - (this.newest - age) * this.bucketMs - this.bucketMs / 2), amount]);
    }
    return entries;
  }

  /** Milliseconds until no more than so much is left of what is in the window now. */
  msUntilAtMost(amount: number, nowMs: number): number {
    let left = this.used(nowMs);
    if (left <= amount) return 0;
    // That all of it leaves is asked with every call.
    if (amount <= 0) return Math.max(0, (this.newestFilled + SLOTS) * this.bucketMs - nowMs);
    for (let age = SLOTS - 1; age >= 0 && left > amount; age--) {
      const bucket = this.newest - age;
      left -= this.amounts[slotOf(bucket)] ?? 0;
      if (left <= amount) return Math.max(0, (bucket + SLOTS) * this.bucketMs - nowMs);
    }
    return this.periodMs;
  }

  private advance(nowMs: number): void {
    const bucket = Math.floor(nowMs / this.bucketMs);
    if (bucket <= this.newest) return;
    const steps = Math.min(SLOTS, bucket - this.newest);
    for (let step = 0; step < steps; step++) {
      const index = slotOf(bucket - step);
      this.sum -= this.amounts[index] ?? 0;
      this.amounts[index] = 0;
    }
    // Sums of fractions would drift.
    if (steps === SLOTS) this.sum = 0;
    this.newest = bucket;
  }
}

function slotOf(bucket: number): number {
  return ((bucket % SLOTS) + SLOTS) % SLOTS;
}
