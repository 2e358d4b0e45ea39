import { calendarSpan, type PlanPeriod } from './plan-period.js';
import { BUCKETS_PER_PERIOD, RollingWindow } from './rolling-window.js';

/** A point in time, by both clocks. */
export interface Instant {
  readonly wallMs: number;
  readonly monotonicMs: number;
}

/** How replicas count the same together. */
export interface SharedForm {
  readonly k: 'rolling' | 'calendar' | 'total';
  /** Milliseconds of a bucket. */
  readonly b?: number;
  /** Wall clock; when the part of the calendar began. */
  readonly e?: number;
  /** How long it is kept when nobody counts any more. */
  readonly ttl: number;
}

/** Counts what was used over a period. */
export interface Meter {
  used(now: Instant): number;
  add(amount: number, now: Instant): void;
  /** What was used before, as the log tells it. @param atMs wall clock */
  addPast(amount: number, atMs: number, now: Instant): void;
  /** What is in it, as ages in milliseconds and amounts. */
  entries(now: Instant): [ageMs: number, amount: number][];
  /** How long the period is that is counted now; null: since ever. */
  periodMs(now: Instant): number | null;
  /** Wall clock; when no more than so much will be left of what is used now. null: never by itself. */
  resetsAtMs(amount: number, now: Instant): number | null;
  sharedForm(now: Instant): SharedForm;
}

const HOUR_MS = 3_600_000;
/** What nobody has used for so long is read from the log when somebody does. */
const TOTAL_TTL_MS = 35 * 24 * HOUR_MS;

/** @param period null: since ever */
export function meterFor(period: PlanPeriod | null): Meter {
  if (period === null) return new TotalMeter();
  return period.kind === 'rolling' ? new RollingMeter(period.ms) : new CalendarMeter(period);
}

class RollingMeter implements Meter {
  private readonly window: RollingWindow;
  private readonly form: SharedForm;

  constructor(periodMs: number) {
    this.window = new RollingWindow(periodMs);
    this.form = { k: 'rolling', b: periodMs / BUCKETS_PER_PERIOD, ttl: Math.ceil(periodMs * 1.5) + HOUR_MS };
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

  entries({ monotonicMs }: Instant): [number, number][] {
    return this.window.entries(monotonicMs);
  }

  resetsAtMs(amount: number, { wallMs, monotonicMs }: Instant): number {
    return wallMs + this.window.msUntilAtMost(amount, monotonicMs);
  }

  sharedForm(): SharedForm {
    return this.form;
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

  entries({ wallMs }: Instant): [number, number][] {
    this.advance(wallMs);
    return [[0, this.amount]];
  }

  periodMs({ wallMs }: Instant): number {
    this.advance(wallMs);
    return this.endMs - this.startMs;
  }

  resetsAtMs(_amount: number, { wallMs }: Instant): number {
    this.advance(wallMs);
    return this.endMs;
  }

  sharedForm({ wallMs }: Instant): SharedForm {
    this.advance(wallMs);
    return { k: 'calendar', e: this.startMs, ttl: this.endMs - this.startMs + 48 * HOUR_MS };
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

  entries(): [number, number][] {
    return [[0, this.amount]];
  }

  periodMs(): null {
    return null;
  }

  resetsAtMs(): null {
    return null;
  }

  sharedForm(): SharedForm {
    return TOTAL_FORM;
  }
}

const TOTAL_FORM: SharedForm = { k: 'total', ttl: TOTAL_TTL_MS };
