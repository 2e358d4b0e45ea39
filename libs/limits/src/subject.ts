import { HeldRule, type ReplicaView } from './held-rule.js';
import { alertLevel, amountOf, type Demand, type LimitRule, type SubjectLimits } from './limit-rule.js';
import type { Instant } from './meter.js';

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

/** What a call holds of a subject's rules. */
export type Holds = ReadonlyMap<HeldRule, number>;

/** Someone for whom limits count: a key, a group. */
export class Subject {
  /** Calls of this replica. */
  inFlight = 0;
  /** Whoever waits for one of its places, in the order in which they came. */
  readonly waiting: (() => void)[] = [];
  /** The places are taken, though not by calls of this replica. */
  isFullElsewhere = false;
  private held: readonly HeldRule[] = [];
  private concurrencyLimit = Infinity;

  /**
   * @param scope first part of the ids of its rules
   * @param key what replicas call it
   */
  constructor(
    readonly scope: string,
    readonly key: string,
  ) {}

  /** Takes on what is configured now; what has been used stays. Returns the rules whose past is not known yet. */
  adopt({ rules, concurrencyMax }: SubjectLimits): HeldRule[] {
    const before = new Map(this.held.map((held) => [ruleKey(held.rule), held]));
    const fresh: HeldRule[] = [];
    this.held = rules.map((rule) => {
      const same = before.get(ruleKey(rule));
      // The same object: calls that are running hold it.
      if (same) return Object.assign(same, { rule });
      const held = new HeldRule(this.scope, rule);
      fresh.push(held);
      return held;
    });
    this.concurrencyLimit = concurrencyMax ?? Infinity;
    this.wakeNext();
    return fresh;
  }

  get rules(): readonly HeldRule[] {
    return this.held;
  }

  get isFull(): boolean {
    return this.isFullElsewhere || this.inFlight >= this.concurrencyLimit;
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

  /** Whether so much of a plan is used that operators are to be told. */
  isToBeTold(now: Instant, view: ReplicaView | null): boolean {
    return this.held.some((held) => alertLevel(held.rule, held.used(now, view)) !== null);
  }

  /** Lets the first of those who wait try, if there is a place. Whoever does not take it lets the next one try. */
  wakeNext(): void {
    if (!this.isFull) this.waiting.shift()?.();
  }

  /** Whether the share of this replica is taken. */
  isShareTaken(view: ReplicaView): boolean {
    if (this.concurrencyLimit === Infinity) return false;
    return this.inFlight >= Math.floor((this.concurrencyLimit + view.rank) / view.replicas);
  }

  /**
   * The first rule that has no room for a call; null when all have. While nothing else is held, a call may begin as long as
   * anything is left: so a call that is larger than a limit is not refused for ever.
   *
   * @param view of a replica that has lost the others; null: there are none
   */
  refusal(demand: Demand, now: Instant, view: ReplicaView | null): RuleRefusal | null {
    for (const held of this.held) {
      const { rule, reserved } = held;
      const { used, limit } = held.share(now, view);
      const amount = amountOf(rule, demand);
      const isUsedUp = rule.unit === 'requests' ? used + amount > limit : used >= limit;
      // Of several replicas that cannot ask each other none may go beyond its share: together they would by a call each.
      const isStrict = reserved > 0 || (rule.kind === 'plan' && view !== null && view.replicas > 1);
      const isOnlyHeld = !isUsedUp && isStrict && used + reserved + amount > limit;
      if (!isUsedUp && !isOnlyHeld) continue;
      return { state: stateOf(held, now, view, Math.max(0, limit - Math.max(1, amount))), isOnlyHeld };
    }
    return null;
  }

  /** Holds so much until the call is settled. A request counts at once. */
  reserve(demand: Demand, now: Instant, view: ReplicaView | null): Holds {
    this.inFlight++;
    const holds = new Map<HeldRule, number>();
    for (const held of this.held) {
      if (held.rule.unit === 'requests') held.add(1, now, view);
      else {
        const amount = amountOf(held.rule, demand);
        held.reserved += amount;
        holds.set(held, amount);
      }
    }
    return holds;
  }

  /** Undoes `reserve` for a call that may not begin after all. */
  unreserve(holds: Holds, now: Instant): void {
    for (const [held, amount] of holds) held.reserved = Math.max(0, held.reserved - amount);
    for (const { rule, meter } of this.held) if (rule.unit === 'requests') meter.add(-1, now);
    this.inFlight--;
  }

  /** Gives back what was held, counts what was used, also of rules that came meanwhile, and frees the place. */
  settle(holds: Holds, actual: Demand, now: Instant, view: ReplicaView | null): void {
    for (const [held, amount] of holds) held.reserved = Math.max(0, held.reserved - amount);
    for (const held of this.held) if (countsCall(held, holds)) this.count(held, actual, now, view);
    this.inFlight--;
    this.isFullElsewhere = false;
    this.wakeNext();
  }

  /** Counts what was used. */
  charge(actual: Demand, now: Instant, view: ReplicaView | null): void {
    for (const held of this.held) this.count(held, actual, now, view);
  }

  /** Adds how each of its rules stands. */
  addStates(states: RuleState[], now: Instant, view: ReplicaView | null): void {
    for (const held of this.held) states.push(stateOf(held, now, view, 0));
  }

  private count(held: HeldRule, actual: Demand, now: Instant, view: ReplicaView | null): void {
    if (held.rule.unit !== 'requests') held.add(amountOf(held.rule, actual), now, view);
  }
}

/** A call that began before a balance was opened is not paid from it; of other rules, it counts where it ends. */
export function countsCall(held: HeldRule, holds: Holds): boolean {
  return held.rule.prepaid === undefined || holds.has(held);
}

/** How a rule stands. @param left of what is used now, when it is to have room again */
export function stateOf(held: HeldRule, now: Instant, view: ReplicaView | null, left: number): RuleState {
  return {
    id: held.id,
    rule: held.rule,
    used: held.used(now, view),
    reserved: held.held(view),
    periodMs: held.meter.periodMs(now),
    resetsAtMs: held.resetsAtMs(left, now, view),
  };
}

/** A rule that counts the same over the same time goes on, whatever its limit becomes. */
export function ruleKey({ name, unit, period, kind, prepaid }: LimitRule): string {
  return JSON.stringify(prepaid ? [kind, name, unit, prepaid.openedAtMs] : [kind, name, unit, period]);
}
