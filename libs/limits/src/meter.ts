import { calendarSpan, type PlanPeriod } from './plan-period.js';
import { RollingWindow } from './rolling-window.js';

/** A point in time, by both clocks. */
export interface Instant {
  readonly wallMs: number;
  readonly monotonicMs: number;
}

/** Counts what was used over a period. */
export interface Meter {
  used(now: Instant): number;
  add(amount: number, now: Instant): void;
  /** What was used before, as the log tells it. @param atMs wall clock */
  addPast(amount: number, atMs: number, now: Instant): void;
  /** How long the period is that is counted now; null: since ever. */
  periodMs(now: Instant): number | null;
  /** Wall clock; when no more than so much will be left of what is used now. null: never by itself. */
  resetsAtMs(amount: number, now: Instant): number | null;
}

/** @param period null: since ever */
export function meterFor(period: PlanPeriod | null): Meter {
  if (period === null) return new TotalMeter();
  return period.kind === 'rolling' ? new RollingMeter(period.ms) : new CalendarMeter(period);
}

class RollingMeter implements Meter {
  private readonly window: RollingWindow;

  constructor(periodMs: number) {
    this.window = new RollingWindow(periodMs);
  }

  periodMs(): number {
    return this.window.periodMs;
  }

  used({ monotonicMs }: Instant): number {
    return this.window.used(monotonicMs);
  }

  add(amount: number, { monotonicMs }: Instant): void {
    this.window.add(amount, monotonicMs);
  }

  addPast(amount: number, atMs: number, { wallMs, monotonicMs }: Instant): void {
    this.window.add(amount, Math.min(monotonicMs, monotonicMs - (wallMs - atMs)));
  }

  resetsAtMs(amount: number, { wallMs, monotonicMs }: Instant): number {
    return wallMs + this.window.msUntilAtMost(amount, monotonicMs);
  }
}

/** A clock that is set back does not begin a part of the calendar anew. */
class CalendarMeter implements Meter {
  private startMs = Number.NEGATIVE_INFINITY;
  private endMs = Number.NEGATIVE_INFINITY;
  private amount = 0;

  constructor(private readonly period: Extract<PlanPeriod, { kind: 'calendar' }>) {}

  used({ wallMs }: Instant): number {
    this.advance(wallMs);
    return this.amount;
  }

  /** What ran over the turn counts where it ended. */
  add(amount: number, { wallMs }: Instant): void {
    this.advance(wallMs);
    this.amount += amount;
  }

  addPast(amount: number, atMs: number, { wallMs }: Instant): void {
    this.advance(wallMs);
    if (atMs >= this.startMs) this.amount += amount;
  }

  periodMs({ wallMs }: Instant): number {
    this.advance(wallMs);
    return this.endMs - this.startMs;
  }

  resetsAtMs(_amount: number, { wallMs }: Instant): number {
    this.advance(wallMs);
    return this.endMs;
  }

  private advance(wallMs: number): void {
    if (wallMs < this.endMs) return;
    const { startMs, endMs } = calendarSpan(this.period, wallMs);
    this.startMs = startMs;
    this.endMs = endMs;
    this.amount = 0;
  }
}

class TotalMeter implements Meter {
  private amount = 0;

  used(): number {
    return this.amount;
  }

  add(amount: number): void {
    this.amount += amount;
  }

  addPast(amount: number): void {
    this.amount += amount;
  }

  periodMs(): null {
    return null;
  }

  resetsAtMs(): null {
    return null;
  }
}
