import type { LimitRule } from './limit-rule.js';
import { type Instant, type Meter, meterFor } from './meter.js';

/** How this replica stands to the others. */
export interface ReplicaView {
  /** It counts with them, call by call. Otherwise it decides by its share of what is left. */
  readonly isInStep: boolean;
  /** How many live, with this one. */
  readonly replicas: number;
  /** Its place among them, from 0. */
  readonly rank: number;
  /** Of the outage that is or was; each has a number. */
  readonly outage: number;
  readonly outageStartedMs: number;
  /** From then on it uses shares of plans; before, the others may not know that it does not count with them. */
  readonly sharesFromMs: number;
}

/** What all replicas together had used of a rule. */
export interface SeenUse {
  readonly used: number;
  readonly reserved: number;
  /** What calls of this replica held of it; 0 when nobody knows what calls hold, as the log does not. */
  readonly ownReserved: number;
  /** Wall clock; null: never by itself. */
  readonly resetsAtMs: number | null;
  /** Monotonic. */
  readonly atMs: number;
}

/** A rule with what has been used of it: by this replica, and as far as it is known by all. */
export class HeldRule {
  readonly id: string;
  /** What calls of this replica hold. */
  reserved = 0;
  /** What is used here; and before the start, by all. */
  meter: Meter;
  /** What all had used when that was last told. */
  seen: SeenUse | null = null;
  /** What the others have left for this replica, of a plan, for when it gets no answer. */
  spare = { amount: 0, untilMs: 0 };
  /** Somebody is looking up what was used before. */
  isLookedUp = false;
  /** Used here since then. */
  private sinceSeen = 0;
  /** What the others have not been told of. */
  private unsent: Meter | null = null;
  private outage = 0;
  private usedAtOutage = 0;

  constructor(
    scope: string,
    public rule: LimitRule,
  ) {
    this.id = `${scope}.${rule.name}`;
    this.meter = meterFor(rule.period);
  }

  add(amount: number, now: Instant, view: ReplicaView | null): void {
    if (amount === 0) return;
    this.meter.add(amount, now);
    if (!view) return;
    this.sinceSeen += amount;
    if (!view.isInStep) this.addUnsent(amount, now);
  }

  addUnsent(amount: number, now: Instant): void {
    (this.unsent ??= meterFor(this.rule.period)).add(amount, now);
  }

  /** What the others have not been told of, as ages and amounts; they are told by whoever asks. */
  takeUnsent(now: Instant): [number, number][] {
    const entries = this.unsent?.entries(now) ?? [];
    this.unsent = null;
    return entries;
  }

  see(seen: SeenUse): void {
    this.seen = seen;
    this.sinceSeen = 0;
  }

  /** Used by all, as far as it is known here. */
  used(now: Instant, view: ReplicaView | null): number {
    if (!view) return this.meter.used(now);
    if (view.isInStep && this.seen) return this.seen.used;
    return this.rule.kind === 'plan' ? this.seenUsed(now) + this.sinceSeen : this.meter.used(now);
  }

  /** Held by all. */
  held(view: ReplicaView | null): number {
    return view?.isInStep && this.seen ? this.seen.reserved : this.reserved;
  }

  resetsAtMs(left: number, now: Instant, view: ReplicaView | null): number | null {
    return view?.isInStep && this.seen ? this.seen.resetsAtMs : this.meter.resetsAtMs(left, now);
  }

  /**
   * What may be used here, and what has been. Alone: all of it. Without the others: of a plan, what its calls held when they were last
   * heard of, and besides for a moment what was set aside for it, then its share of what was left. Of a rate its share, and for as long
   * as what was used then counts, no more than it used itself besides.
   */
  share(now: Instant, view: ReplicaView | null): { used: number; limit: number } {
    const { rule } = this;
    if (!view) return { used: this.meter.used(now), limit: rule.limit };
    if (rule.kind === 'plan') {
      const used = this.seenUsed(now);
      const { reserved = 0, ownReserved = 0 } = this.seen ?? {};
      const left = Math.max(0, rule.limit - used - reserved);
      const isMoment = view.replicas > 1 && now.monotonicMs < view.sharesFromMs;
      const more = isMoment ? this.spareAt(now) : this.part(left, view);
      return { used: this.sinceSeen, limit: ownReserved + more };
    }
    const used = this.meter.used(now);
    const even = this.part(rule.limit, view);
    if (this.outage !== view.outage) {
      this.outage = view.outage;
      this.usedAtOutage = used;
    }
    const { seen } = this;
    const periodMs = this.meter.periodMs(now) ?? Infinity;
    const isOver = now.monotonicMs - view.outageStartedMs >= periodMs;
    const isKnown = seen !== null && seen.atMs > view.outageStartedMs - periodMs;
    if (isOver || !isKnown) return { used, limit: even };
    const left = Math.max(0, rule.limit - seen.used - seen.reserved);
    return { used, limit: Math.min(even, this.usedAtOutage + this.reserved + this.part(left, view)) };
  }

  private spareAt({ monotonicMs }: Instant): number {
    return monotonicMs < this.spare.untilMs ? this.spare.amount : 0;
  }

  /** Parts of all replicas together are the whole; of what can be counted, whole numbers. */
  private part(amount: number, { replicas, rank }: ReplicaView): number {
    return this.rule.unit === 'requests' ? Math.floor((amount + rank) / replicas) : amount / replicas;
  }

  private seenUsed({ wallMs }: Instant): number {
    const { seen, rule } = this;
    if (!seen) return 0;
    const isAnother = rule.period?.kind === 'calendar' && seen.resetsAtMs !== null && wallMs >= seen.resetsAtMs;
    if (!isAnother) return seen.used;
    // Another day has begun since.
    this.see({ ...seen, used: 0, reserved: 0, ownReserved: 0, resetsAtMs: null });
    return 0;
  }
}
