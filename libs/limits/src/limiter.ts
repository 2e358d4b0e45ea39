import { Injectable } from '@nestjs/common';
import { Clock } from '@app/runtime';
import { type Demand, type LimitRule, NOTHING_USED, type SubjectLimits } from './limit-rule.js';
import type { Instant } from './meter.js';
import { type HeldRule, type Holds, type RuleRefusal, type RuleState, Subject } from './subject.js';

/** `model`: a group's calls for one model. */
export type SubjectScope = 'key' | 'group' | 'model';

/** Why a call cannot begin now. */
export type LimitRefusal =
  | ({ readonly kind: 'rule' } & RuleRefusal)
  | { readonly kind: 'concurrency'; readonly scope: string; readonly concurrencyMax: number };

export type Admittance = { readonly reservation: Reservation } | { readonly refusal: LimitRefusal };

/** A rule that counts from now on, and whose past has to be looked up. */
export interface FreshRule {
  readonly scope: SubjectScope;
  /** Of the key or the group. */
  readonly id: string;
  readonly rule: LimitRule;
  /** What was used before, as the log tells it. @param atMs wall clock */
  addPast(amount: number, atMs: number): void;
}

/** How many calls of one subject may wait for a place. */
const WAITING_MAX = 64;

/** Counts what keys and groups use, and says whether a call may begin. In memory of this process. */
@Injectable()
export class Limiter {
  private readonly subjects: Readonly<Record<SubjectScope, Map<string, Subject>>> = {
    key: new Map(),
    group: new Map(),
    model: new Map(),
  };
  /** Told of rules that count from now on. */
  onFreshRules: ((rules: readonly FreshRule[]) => void) | null = null;

  constructor(private readonly clock: Clock) {}

  /**
   * Takes on limits as they are configured; what has been used stays.
   *
   * @param id of the key or the group; of a group's model both, see `modelSubjectId`
   */
  adopt(scope: SubjectScope, id: string, limits: SubjectLimits): void {
    let subject = this.subjects[scope].get(id);
    if (!subject) {
      if (limits.rules.length === 0 && limits.concurrencyMax === null) return;
      this.subjects[scope].set(id, (subject = new Subject(scope === 'model' ? `group.${modelOf(id)}` : scope)));
    }
    const fresh = subject.adopt(limits).map((held) => this.freshRule(scope, id, held));
    if (fresh.length > 0) this.onFreshRules?.(fresh);
  }

  /**
   * Those whose limits count for a caller's calls, the narrower ones first.
   *
   * @param model name of the called model, not an alias; null: those that count for any
   */
  subjectsOf(keyId: string | null, groupId: string, model: string | null): readonly Subject[] {
    const key = keyId === null ? undefined : this.subjects.key.get(keyId);
    const group = this.subjects.group.get(groupId);
    const { size } = this.subjects.model;
    const ofModel = size > 0 && model !== null ? this.subjects.model.get(modelSubjectId(groupId, model)) : undefined;
    if (!key && !group && !ofModel) return NOBODY;
    return [key, ofModel, group].filter((subject) => subject !== undefined);
  }

  /** Lets a call begin, and holds what it is expected to use; not for subjects that are busy. */
  admit(subjects: readonly Subject[], demand: Demand): Admittance {
    const now = this.now();
    for (const subject of subjects) {
      if (subject.isFull) return { refusal: busy(subject) };
      const refusal = subject.refusal(demand, now);
      if (refusal) return { refusal: { kind: 'rule', ...refusal } };
    }
    const holds = subjects.map((subject) => subject.reserve(demand, now));
    return { reservation: new Reservation(this, subjects, holds) };
  }

  /**
   * The same for subjects that are busy: waits for its turn, behind those who wait already.
   *
   * @param waitMsMax how long it may wait
   * @param signal aborted when nobody waits any more
   */
  async admitInTurn(
    subjects: readonly Subject[],
    demand: Demand,
    waitMsMax: number,
    signal: AbortSignal,
  ): Promise<Admittance> {
    const untilMs = this.clock.monotonic() + waitMsMax;
    try {
      for (let isFirst = true; ; isFirst = false) {
        const subject = subjects.find((one) => one.isFull || (isFirst && one.waiting.length > 0));
        if (!subject) return this.admit(subjects, demand);
        // A place that this one was woken for is another's.
        for (const other of subjects) if (other !== subject) other.wakeNext();
        const leftMs = untilMs - this.clock.monotonic();
        const isLate = leftMs <= 0 || signal.aborted || subject.waiting.length >= WAITING_MAX;
        if (isLate || !(await turn(subject, leftMs, signal))) return { refusal: busy(subject) };
      }
    } finally {
      // Whether it has taken a place or not: there may be another.
      for (const subject of subjects) subject.wakeNext();
    }
  }

  /** How every rule of them stands. */
  states(subjects: readonly Subject[]): RuleState[] {
    const now = this.now();
    return subjects.flatMap((subject) => subject.states(now));
  }

  /** Counts what was used by work that held nothing. */
  charge(subjects: readonly Subject[], actual: Demand): void {
    const now = this.now();
    for (const subject of subjects) subject.charge(actual, now);
  }

  now(): Instant {
    return { wallMs: this.clock.now(), monotonicMs: this.clock.monotonic() };
  }

  private freshRule(scope: SubjectScope, id: string, { rule, meter }: HeldRule): FreshRule {
    return { scope, id, rule, addPast: (amount, atMs) => meter.addPast(amount, atMs, this.now()) };
  }
}

/** Whose limits are those of a group for one model. */
export function modelSubjectId(groupId: string, model: string): string {
  return `${groupId} ${model}`;
}

function modelOf(subjectId: string): string {
  return subjectId.slice(subjectId.indexOf(' ') + 1);
}

const NOBODY: readonly Subject[] = [];

/** What a call holds of the limits that count for it, until it is settled. */
export class Reservation {
  private isSettled = false;

  constructor(
    private readonly limiter: Limiter,
    private readonly subjects: readonly Subject[],
    private readonly holds: readonly Holds[],
  ) {}

  /** Gives back what was held, and counts what was used; once only. */
  settle(actual: Demand = NOTHING_USED): void {
    if (this.isSettled) return;
    this.isSettled = true;
    const now = this.limiter.now();
    for (const [index, subject] of this.subjects.entries()) subject.settle(this.holds[index] ?? new Map(), actual, now);
  }
}

function busy({ scope, concurrencyMax }: Subject): LimitRefusal {
  return { kind: 'concurrency', scope, concurrencyMax };
}

/** Waits for a place of a subject; false when the time is over or nobody waits any more. */
function turn(subject: Subject, ms: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (hasTurn: boolean) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      const index = subject.waiting.indexOf(onTurn);
      if (index !== -1) subject.waiting.splice(index, 1);
      resolve(hasTurn);
    };
    const onTurn = () => end(true);
    const onAbort = () => end(false);
    const timer = setTimeout(() => end(false), ms);
    signal.addEventListener('abort', onAbort, { once: true });
    subject.waiting.push(onTurn);
    subject.wakeNext();
  });
}
