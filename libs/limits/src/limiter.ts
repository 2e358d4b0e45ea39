import { Inject, Injectable, Optional } from '@nestjs/common';
import { Clock } from '@app/runtime';
import { type FreshRule, freshRule, type PastUse, type SubjectScope } from './fresh-rule.js';
import type { HeldRule } from './held-rule.js';
import { type Demand, NOTHING_USED, type SubjectLimits } from './limit-rule.js';
import { type Instant, meterFor } from './meter.js';
import { SharedLimits } from './shared-limits.js';
import type { SharedVerdict } from './shared-verdict.js';
import { type Holds, type RuleRefusal, type RuleState, stateOf, Subject } from './subject.js';
import { turn } from './turn.js';

/** Why a call cannot begin now. */
export type LimitRefusal =
  | ({ readonly kind: 'rule' } & RuleRefusal)
  | { readonly kind: 'concurrency'; readonly scope: string; readonly concurrencyMax: number };

export type Admittance = { readonly reservation: Reservation } | { readonly refusal: LimitRefusal };

/** How many calls of one subject may wait for a place. */
const WAITING_MAX = 64;

/** Without Redis: how long what the log tells of a plan is taken for true. */
const KNOWN_MS = 5_000;
/** How often places are asked for that calls of other replicas have taken. */
const ELSEWHERE_POLL_MS = 50;

/** Counts what keys and groups use, and says whether a call may begin. In memory, and with other replicas in Redis. */
@Injectable()
export class Limiter {
  private readonly subjects: Readonly<Record<SubjectScope, Map<string, Subject>>> = {
    key: new Map(),
    group: new Map(),
    model: new Map(),
  };
  /** Told of rules whose past has to be looked up, and given to `takePast`. */
  onFreshRules: ((rules: readonly FreshRule[]) => void) | null = null;

  constructor(
    private readonly clock: Clock,
    @Optional() @Inject(SharedLimits) private readonly shared: SharedLimits | null = null,
  ) {
    if (shared) shared.subjects = () => this.all();
  }

  /**
   * Takes on limits as they are configured; what has been used stays.
   *
   * @param id of the key or the group; of a group's model both, see `modelSubjectId`
   */
  adopt(scope: SubjectScope, id: string, limits: SubjectLimits): void {
    let subject = this.subjects[scope].get(id);
    if (!subject) {
      if (limits.rules.length === 0 && limits.concurrencyMax === null) return;
      subject = new Subject(scope === 'model' ? `group.${modelOf(id)}` : scope, `${scope}:${id}`);
      this.subjects[scope].set(id, subject);
    }
    const adopted = subject;
    const fresh = adopted.adopt(limits).map((held) => freshRule({ subject: adopted, held }, 'new'));
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

  /** Other replicas are asked, too: `admitShared`. */
  get isShared(): boolean {
    return this.shared?.view?.isInStep === true;
  }

  /** Lets a call begin, and holds what it is expected to use; not for subjects that are busy. */
  admit(subjects: readonly Subject[], demand: Demand): Admittance {
    const now = this.now();
    const view = this.shared?.view ?? null;
    if (view) this.refreshKnown(subjects, now);
    for (const subject of subjects) {
      if (view && subject.isShareTaken(view)) this.pollElsewhere(subject);
      if (subject.isFull) return { refusal: busy(subject) };
      const refusal = subject.refusal(demand, now, view);
      if (refusal) return { refusal: { kind: 'rule', ...refusal } };
    }
    return { reservation: this.reserve(subjects, demand, now) };
  }

  /** The same by what all replicas count together; when they cannot be asked in time, by this one's share. */
  async admitShared(subjects: readonly Subject[], demand: Demand): Promise<Admittance> {
    const { shared } = this;
    if (!shared?.view?.isInStep) return this.admit(subjects, demand);
    // Held at once: what is told of this replica's holds while the answer is on its way has to include it.
    const now = this.now();
    const reservation = this.reserve(subjects, demand, now);
    const verdict = await shared.admit(subjects, demand, now);
    if (verdict?.verdict === 'admitted') return { reservation };
    reservation.undo();
    if (!verdict) return this.admit(subjects, demand);
    return this.refused(verdict, subjects, demand);
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
        let subject = subjects.find((one) => one.isFull || (isFirst && one.waiting.length > 0));
        if (!subject) {
          const admitted = this.isShared ? await this.admitShared(subjects, demand) : this.admit(subjects, demand);
          subject = subjects.find((one) => one.isFullElsewhere);
          const isBusy = 'refusal' in admitted && admitted.refusal.kind === 'concurrency';
          if (!isBusy || !subject) return admitted;
        }
        // A place that this one was woken for is another's.
        for (const other of subjects) if (other !== subject) other.wakeNext();
        const leftMs = untilMs - this.clock.monotonic();
        const isLate = leftMs <= 0 || signal.aborted || subject.waiting.length >= WAITING_MAX;
        if (isLate || !(await turn(subject, isFirst, leftMs, signal))) return { refusal: busy(subject) };
      }
    } finally {
      // Whether it has taken a place or not: there may be another.
      for (const subject of subjects) subject.wakeNext();
    }
  }

  /** How every rule of them stands, as far as this replica knows. */
  states(subjects: readonly Subject[]): RuleState[] {
    const now = this.now();
    const view = this.shared?.view ?? null;
    const states: RuleState[] = [];
    for (const subject of subjects) subject.addStates(states, now, view);
    return states;
  }

  /** Those of which so much is used that operators are to be told. */
  toBeTold(subjects: readonly Subject[]): readonly Subject[] {
    const now = this.now();
    const view = this.shared?.view ?? null;
    return subjects.filter((subject) => subject.isToBeTold(now, view));
  }

  /** The same, after the others have been asked. */
  async currentStates(subjects: readonly Subject[]): Promise<RuleState[]> {
    if (this.isShared && subjects.length > 0) await this.shared?.admit(subjects, NOTHING_USED, this.now(), true);
    return this.states(subjects);
  }

  /** Counts what was used by work that held nothing. */
  charge(subjects: readonly Subject[], actual: Demand): void {
    const now = this.now();
    const view = this.shared?.view ?? null;
    for (const subject of subjects) {
      subject.charge(actual, now, view);
      this.shared?.charge(subject, actual, now);
    }
  }

  /** Gives back what a call has held, and counts what it has used. */
  settle(subject: Subject, holds: Holds, actual: Demand): void {
    const now = this.now();
    subject.settle(holds, actual, now, this.shared?.view ?? null);
    this.shared?.settle(subject, holds, actual, now);
  }

  /** Takes back a call that has not begun. */
  unreserve(subject: Subject, holds: Holds): void {
    subject.unreserve(holds, this.now());
    this.shared?.touch(subject, subject);
    for (const held of subject.rules) this.shared?.touch(held, subject);
  }

  /** Finds the other replicas, before the first call. */
  async join(): Promise<void> {
    await this.shared?.join();
  }

  /** Says which replicas live, with this one; heard while Redis does not say. */
  noteReplicas(ids: readonly string[]): void {
    if (!this.isShared) this.shared?.noteReplicas(ids);
  }

  /**
   * What was used of rules that `onFreshRules` told of, as the log knows it.
   *
   * @param isStart nothing is held by this replica any more, whatever the others remember
   * @throws what Redis throws
   */
  async takePast(looked: readonly { fresh: FreshRule; past: readonly PastUse[] }[], isStart = false): Promise<void> {
    const now = this.now();
    for (const { fresh, past } of looked) {
      const { held, rule, cause } = fresh;
      held.isLookedUp = false;
      const known = meterFor(rule.period);
      for (const { amount, atMs } of past) {
        known.addPast(amount, atMs, now);
        if (cause === 'new') held.meter.addPast(amount, atMs, now);
      }
      if (cause === 'recounted') held.meter = known;
      const resetsAtMs = known.resetsAtMs(0, now);
      // Also with the others: the first call may already have to do without them.
      if (!this.isShared || held.seen === null)
        held.see({ used: known.used(now), reserved: 0, ownReserved: 0, resetsAtMs, atMs: now.monotonicMs });
    }
    const recounted = looked.filter(({ fresh }) => fresh.cause === 'recounted');
    const lacking = looked.filter(({ fresh }) => fresh.cause === 'new' || fresh.cause === 'shared');
    await this.tellPast(lacking, { isFresh: isStart });
    await this.tellPast(recounted, { isRecount: true });
  }

  /** Looks up anew what was spent: costs of the past have changed. */
  recountSpending(): void {
    const isSpending = ({ rule }: HeldRule): boolean => rule.kind === 'plan' && rule.unit === 'nano_usd';
    this.lookUp(this.all(), isSpending, 'recounted');
  }

  private async tellPast(
    looked: readonly { fresh: FreshRule; past: readonly PastUse[] }[],
    how: { isFresh?: boolean; isRecount?: boolean },
  ): Promise<void> {
    const now = this.now();
    if (looked.length === 0) return;
    await this.shared?.fill(
      looked.map(({ fresh, past }) => ({
        subject: fresh.subject,
        held: fresh.held,
        entries: past.map(({ amount, atMs }) => [Math.max(0, now.wallMs - atMs), amount] as const),
      })),
      how,
    );
  }

  now(): Instant {
    return { wallMs: this.clock.now(), monotonicMs: this.clock.monotonic() };
  }

  private reserve(subjects: readonly Subject[], demand: Demand, now: Instant): Reservation {
    const view = this.shared?.view ?? null;
    return new Reservation(
      this,
      subjects,
      subjects.map((subject) => subject.reserve(demand, now, view)),
    );
  }

  private refused(
    verdict: Exclude<SharedVerdict, { verdict: 'admitted' }>,
    subjects: readonly Subject[],
    demand: Demand,
  ): Admittance {
    if (verdict.verdict === 'unknown') {
      this.lookUp(subjects, ({ rule }) => rule.kind === 'plan', 'shared');
      return this.admit(subjects, demand);
    }
    const { subject } = verdict;
    if (verdict.verdict === 'busy') {
      this.pollElsewhere(subject);
      return { refusal: busy(subject) };
    }
    const now = this.now();
    const state = stateOf(verdict.held, now, this.shared?.view ?? null, 0);
    const resetsAtMs = state.rule.period?.kind === 'rolling' ? now.wallMs + verdict.waitMs : state.resetsAtMs;
    return {
      refusal: { kind: 'rule', state: { ...state, resetsAtMs }, isOnlyHeld: verdict.verdict === 'held' },
    };
  }

  /** Nobody tells when a call of another replica ends. */
  private pollElsewhere(subject: Subject): void {
    if (subject.isFullElsewhere) return;
    subject.isFullElsewhere = true;
    setTimeout(() => {
      subject.isFullElsewhere = false;
      subject.wakeNext();
    }, ELSEWHERE_POLL_MS).unref();
  }

  /** While the others cannot be asked, the log tells what they have used of plans. */
  private refreshKnown(subjects: readonly Subject[], now: Instant): void {
    const isOld = ({ rule, seen }: HeldRule): boolean =>
      rule.kind === 'plan' && (seen === null || now.monotonicMs - seen.atMs > KNOWN_MS);
    this.lookUp(subjects, isOld, 'alone');
  }

  /** Asks for the past of those rules, all at once. */
  private lookUp(subjects: Iterable<Subject>, isWanted: (held: HeldRule) => boolean, cause: FreshRule['cause']): void {
    const fresh: FreshRule[] = [];
    for (const subject of subjects) {
      for (const held of subject.rules) {
        if (held.isLookedUp || !isWanted(held)) continue;
        held.isLookedUp = true;
        fresh.push(freshRule({ subject, held }, cause));
      }
    }
    if (fresh.length > 0) this.onFreshRules?.(fresh);
  }

  private *all(): Iterable<Subject> {
    for (const ofScope of Object.values(this.subjects)) yield* ofScope.values();
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
    for (const [index, subject] of this.subjects.entries()) {
      this.limiter.settle(subject, this.holds[index] ?? new Map(), actual);
    }
  }

  /** As if it had never been: the call may not begin. */
  undo(): void {
    this.isSettled = true;
    for (const [index, subject] of this.subjects.entries()) {
      this.limiter.unreserve(subject, this.holds[index] ?? new Map());
    }
  }
}

function busy({ scope, concurrencyMax }: Subject): LimitRefusal {
  return { kind: 'concurrency', scope, concurrencyMax };
}
