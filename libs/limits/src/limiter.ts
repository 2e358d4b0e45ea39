import { Injectable } from '@nestjs/common';
import { Clock } from '@app/runtime';
import { type Demand, type LimitRule, NOTHING_USED, type SubjectLimits } from './limit-rule.js';
import type { Instant } from './meter.js';
import { type Hold, type RuleState, settleHold, Subject } from './subject.js';

/** Whose limits count for a call. */
export interface LimitedSubject {
  /** Its kind and id. */
  readonly id: string;
  /** Such as `key` or `group`. */
  readonly scope: string;
  readonly limits: SubjectLimits;
}

/** Why a call cannot begin now. */
export type LimitRefusal =
  | { readonly kind: 'rule'; readonly state: RuleState }
  | { readonly kind: 'concurrency'; readonly scope: string; readonly concurrencyMax: number };

export type Admittance = { readonly reservation: Reservation } | { readonly refusal: LimitRefusal };

/** How many calls of one subject may wait for a place. */
const WAITING_MAX = 64;

/** Counts what keys and groups use, and says whether a call may begin. In memory of this process. */
@Injectable()
export class Limiter {
  private readonly subjects = new Map<string, Subject>();
  /** Told of rules that count from now on, whose past has to be looked up. */
  onFreshRules: ((subject: LimitedSubject, rules: readonly LimitRule[]) => void) | null = null;

  constructor(private readonly clock: Clock) {}

  /**
   * Lets a call begin, and holds what it is expected to use. Only where the number of calls at the same time is the limit it
   * waits for its turn, and only then the answer is a promise.
   *
   * @param waitMsMax how long it may wait
   * @param signal aborted when nobody waits any more
   */
  admit(
    limited: readonly LimitedSubject[],
    demand: Demand,
    waitMsMax: number,
    signal: AbortSignal | null,
  ): Admittance | Promise<Admittance> {
    const subjects = limited.map((one) => this.subject(one));
    const full = limited.find((_, index) => isBusy(subjects[index]));
    if (!full) return this.begin(limited, subjects, demand);
    return this.wait(limited, subjects, demand, { untilMs: this.clock.monotonic() + waitMsMax, signal });
  }

  /** How every rule of them stands. */
  states(limited: readonly LimitedSubject[]): RuleState[] {
    const now = this.now();
    return limited.flatMap((one) => this.subject(one).states(now));
  }

  /** Counts what was used by work that held nothing. */
  charge(limited: readonly LimitedSubject[], actual: Demand): void {
    const now = this.now();
    for (const one of limited) this.subject(one).charge(actual, now);
  }

  /** What was used before this process began, as the log tells it. */
  addPast(limited: LimitedSubject, rule: LimitRule, amount: number, atMs: number): void {
    this.subject(limited).addPast(rule, amount, atMs, this.now());
  }

  /** Takes on what is configured, before the first call asks. */
  adopt(limited: LimitedSubject): void {
    this.subject(limited);
  }

  now(): Instant {
    return { wallMs: this.clock.now(), monotonicMs: this.clock.monotonic() };
  }

  private subject(limited: LimitedSubject): Subject {
    let subject = this.subjects.get(limited.id);
    if (!subject) this.subjects.set(limited.id, (subject = new Subject(limited.scope)));
    const fresh = subject.adopt(limited.limits);
    if (fresh.length > 0) this.onFreshRules?.(limited, fresh);
    return subject;
  }

  private begin(limited: readonly LimitedSubject[], subjects: readonly Subject[], demand: Demand): Admittance {
    const now = this.now();
    for (const [index, subject] of subjects.entries()) {
      if (subject.isFull) return { refusal: busy(limited[index], subject) };
      const state = subject.refusal(demand, now);
      if (state) return { refusal: { kind: 'rule', state } };
    }
    const holds: Hold[] = [];
    for (const subject of subjects) subject.reserve(demand, now, holds);
    return { reservation: new Reservation(this, subjects, holds) };
  }

  private async wait(
    limited: readonly LimitedSubject[],
    subjects: readonly Subject[],
    demand: Demand,
    { untilMs, signal }: { untilMs: number; signal: AbortSignal | null },
  ): Promise<Admittance> {
    let isFirst = true;
    for (;;) {
      // Whoever has waited comes before whoever comes now.
      const index = subjects.findIndex((subject) => subject.isFull || (isFirst && subject.waiting.length > 0));
      const subject = subjects[index];
      if (!subject) return this.begin(limited, subjects, demand);
      isFirst = false;
      const leftMs = untilMs - this.clock.monotonic();
      const isLate = leftMs <= 0 || signal?.aborted === true || subject.waiting.length >= WAITING_MAX;
      if (isLate || !(await turn(subject, leftMs, signal))) return { refusal: busy(limited[index], subject) };
    }
  }
}

/** What a call holds of the limits that count for it, until it is settled. */
export class Reservation {
  private isSettled = false;

  constructor(
    private readonly limiter: Limiter,
    private readonly subjects: readonly Subject[],
    private readonly holds: readonly Hold[],
  ) {}

  /** Gives back what was held, and counts what was used; once only. */
  settle(actual: Demand = NOTHING_USED): void {
    if (this.isSettled) return;
    this.isSettled = true;
    const now = this.limiter.now();
    for (const hold of this.holds) settleHold(hold, actual, now);
    for (const subject of this.subjects) subject.release();
  }
}

function isBusy(subject: Subject | undefined): boolean {
  return subject !== undefined && (subject.isFull || subject.waiting.length > 0);
}

function busy(limited: LimitedSubject | undefined, { concurrencyMax }: Subject): LimitRefusal {
  return { kind: 'concurrency', scope: limited?.scope ?? '', concurrencyMax: concurrencyMax ?? 0 };
}

/** Waits for a place of a subject; false when the time is over or nobody waits any more. */
function turn(subject: Subject, ms: number, signal: AbortSignal | null): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (hasTurn: boolean) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      const index = subject.waiting.indexOf(onTurn);
      if (index !== -1) subject.waiting.splice(index, 1);
      resolve(hasTurn);
    };
    const onTurn = () => end(true);
    const onAbort = () => end(false);
    const timer = setTimeout(() => end(false), ms);
    signal?.addEventListener('abort', onAbort, { once: true });
    subject.waiting.push(onTurn);
  });
}
