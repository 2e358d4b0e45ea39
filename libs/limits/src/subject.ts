import { amountOf, type Demand, type LimitRule, type SubjectLimits } from './limit-rule.js';
import { type Instant, type Meter, meterFor } from './meter.js';

/** How a rule stands. */
export interface RuleState {
  /** Such as `group.requests_per_minute`. */
  readonly id: string;
  readonly rule: LimitRule;
  readonly used: number;
  readonly reserved: number;
  /** null: since ever */
  readonly periodMs: number | null;
  /** Wall clock; when there is room again, or all of it. null: never by itself. */
  readonly resetsAtMs: number | null;
}

/** A rule with what has been used of it. */
export interface HeldRule {
  readonly id: string;
  rule: LimitRule;
  readonly meter: Meter;
  reserved: number;
}

/** What a call holds of a rule. */
export interface Hold {
  readonly held: HeldRule;
  readonly amount: number;
}

/** Gives back what was held, and counts what was used. */
export function settleHold({ held, amount }: Hold, actual: Demand, now: Instant): void {
  held.reserved = Math.max(0, held.reserved - amount);
  held.meter.add(amountOf(held.rule, actual), now);
}

/** Someone for whom limits count: a key, a group. */
export class Subject {
  inFlight = 0;
  /** Whoever waits for one of its places, in the order in which they came. */
  readonly waiting: (() => void)[] = [];
  private held: HeldRule[] = [];
  private limits: SubjectLimits | null = null;

  /** @param scope first part of the ids of its rules */
  constructor(private readonly scope: string) {}

  /** Takes on what is configured now; what has been used stays. Returns the rules whose past is not known yet. */
  adopt(limits: SubjectLimits): LimitRule[] {
    if (limits === this.limits) return [];
    this.limits = limits;
    const before = new Map(this.held.map((held) => [keyOf(held.rule), held]));
    const fresh: LimitRule[] = [];
    this.held = limits.rules.map((rule) => {
      const same = before.get(keyOf(rule));
      // The same object: calls that are running hold it.
      if (same) return Object.assign(same, { rule });
      fresh.push(rule);
      return { id: `${this.scope}.${rule.name}`, rule, meter: meterFor(rule.period), reserved: 0 };
    });
    return fresh;
  }

  get isFull(): boolean {
    return this.inFlight >= (this.limits?.concurrencyMax ?? Infinity);
  }

  get concurrencyMax(): number | null {
    return this.limits?.concurrencyMax ?? null;
  }

  /**
   * The first rule that has no room for a call; null when all have. While nothing else is reserved, a call may begin as long as
   * anything is left: so what is used goes beyond a limit by one call at most, and a call that is larger than a limit is
   * not refused for ever.
   */
  refusal(demand: Demand, now: Instant): RuleState | null {
    for (const held of this.held) {
      const { rule, meter, reserved } = held;
      const used = meter.used(now);
      const amount = amountOf(rule, demand);
      const isOver = rule.unit === 'requests' ? used + amount > rule.limit : used + reserved >= rule.limit;
      const isCrowded = reserved > 0 && used + reserved + amount > rule.limit;
      if (isOver || isCrowded) return this.stateOf(held, now, Math.max(0, rule.limit - Math.max(1, amount)));
    }
    return null;
  }

  /** Holds so much until the call is settled, and adds what is held to a list. A request counts at once. */
  reserve(demand: Demand, now: Instant, holds: Hold[]): void {
    this.inFlight++;
    for (const held of this.held) {
      if (held.rule.unit === 'requests') held.meter.add(1, now);
      else {
        const amount = amountOf(held.rule, demand);
        held.reserved += amount;
        holds.push({ held, amount });
      }
    }
  }

  /** A call has ended that held one of the places. */
  release(): void {
    this.inFlight--;
    this.waiting.shift()?.();
  }

  /** Counts what was used by work that held nothing. */
  charge(actual: Demand, now: Instant): void {
    for (const { rule, meter } of this.held) if (rule.unit !== 'requests') meter.add(amountOf(rule, actual), now);
  }

  /** What was used before this process began. */
  addPast(rule: LimitRule, amount: number, atMs: number, now: Instant): void {
    this.held.find((held) => keyOf(held.rule) === keyOf(rule))?.meter.addPast(amount, atMs, now);
  }

  states(now: Instant): RuleState[] {
    return this.held.map((held) => this.stateOf(held, now, 0));
  }

  private stateOf({ id, rule, meter, reserved }: HeldRule, now: Instant, left: number): RuleState {
    const used = meter.used(now);
    return { id, rule, used, reserved, periodMs: meter.periodMs(now), resetsAtMs: meter.resetsAtMs(left, now) };
  }
}

/** A rule that counts the same over the same time goes on, whatever its limit becomes. */
function keyOf({ name, unit, period }: LimitRule): string {
  return JSON.stringify([name, unit, period]);
}
