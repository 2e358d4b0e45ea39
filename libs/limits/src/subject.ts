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

/** A rule without room for a call. */
export interface RuleRefusal {
  readonly state: RuleState;
  /** There is something left, but calls that are running hold it: there may be room when they end. */
  readonly isOnlyHeld: boolean;
}

/** A rule with what has been used of it. */
export interface HeldRule {
  readonly id: string;
  rule: LimitRule;
  readonly meter: Meter;
  reserved: number;
}

/** What a call holds of a subject's rules. */
export type Holds = ReadonlyMap<HeldRule, number>;

/** Someone for whom limits count: a key, a group. */
export class Subject {
  inFlight = 0;
  /** Whoever waits for one of its places, in the order in which they came. */
  readonly waiting: (() => void)[] = [];
  private held: HeldRule[] = [];
  private concurrencyLimit = Infinity;

  /** @param scope first part of the ids of its rules */
  constructor(readonly scope: string) {}

  /** Takes on what is configured now; what has been used stays. Returns the rules whose past is not known yet. */
  adopt({ rules, concurrencyMax }: SubjectLimits): HeldRule[] {
    const before = new Map(this.held.map((held) => [keyOf(held.rule), held]));
    const fresh: HeldRule[] = [];
    this.held = rules.map((rule) => {
      const same = before.get(keyOf(rule));
      // The same object: calls that are running hold it.
      if (same) return Object.assign(same, { rule });
      const held = { id: `${this.scope}.${rule.name}`, rule, meter: meterFor(rule.period), reserved: 0 };
      fresh.push(held);
      return held;
    });
    this.concurrencyLimit = concurrencyMax ?? Infinity;
    this.wakeNext();
    return fresh;
  }

  get isFull(): boolean {
    return this.inFlight >= this.concurrencyLimit;
  }

  /** Whether a call has to wait for its turn. */
  get isBusy(): boolean {
    return this.isFull || this.waiting.length > 0;
  }

  get concurrencyMax(): number {
    return this.concurrencyLimit;
  }

  /** Whether some rule counts more than requests. */
  get countsUse(): boolean {
    return this.held.some(({ rule }) => rule.unit !== 'requests');
  }

  /** Lets the first of those who wait try, if there is a place. Whoever does not take it lets the next one try. */
  wakeNext(): void {
    if (!this.isFull) this.waiting.shift()?.();
  }

  /**
   * The first rule that has no room for a call; null when all have. While nothing else is held, a call may begin as long as
   * anything is left: so a call that is larger than a limit is not refused for ever.
   */
  refusal(demand: Demand, now: Instant): RuleRefusal | null {
    for (const held of this.held) {
      const { rule, meter, reserved } = held;
      const used = meter.used(now);
      const amount = amountOf(rule, demand);
      const isUsedUp = rule.unit === 'requests' ? used + amount > rule.limit : used >= rule.limit;
      const isOnlyHeld = !isUsedUp && reserved > 0 && used + reserved + amount > rule.limit;
      if (!isUsedUp && !isOnlyHeld) continue;
      return { state: this.stateOf(held, now, Math.max(0, rule.limit - Math.max(1, amount))), isOnlyHeld };
    }
    return null;
  }

  /** Holds so much until the call is settled. A request counts at once. */
  reserve(demand: Demand, now: Instant): Holds {
    this.inFlight++;
    const holds = new Map<HeldRule, number>();
    for (const held of this.held) {
      if (held.rule.unit === 'requests') held.meter.add(1, now);
      else {
        const amount = amountOf(held.rule, demand);
        held.reserved += amount;
        holds.set(held, amount);
      }
    }
    return holds;
  }

  /** Gives back what was held, counts what was used, also of rules that came meanwhile, and frees the place. */
  settle(holds: Holds, actual: Demand, now: Instant): void {
    for (const [held, amount] of holds) held.reserved = Math.max(0, held.reserved - amount);
    this.charge(actual, now);
    this.inFlight--;
    this.wakeNext();
  }

  /** Counts what was used. */
  charge(actual: Demand, now: Instant): void {
    for (const { rule, meter } of this.held) if (rule.unit !== 'requests') meter.add(amountOf(rule, actual), now);
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
function keyOf({ name, unit, period, kind }: LimitRule): string {
  return JSON.stringify([kind, name, unit, period]);
}
