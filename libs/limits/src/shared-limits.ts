import { randomUUID } from 'node:crypto';
import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { Clock, RedisConnection } from '@app/runtime';
import type { HeldRule, ReplicaView } from './held-rule.js';
import { amountOf, type Demand } from './limit-rule.js';
import type { Instant } from './meter.js';
import {
  CONCURRENCY,
  form,
  keyOf,
  NOTHING_HELD,
  pairs,
  type PastEntries,
  PREFIX,
  type Ref,
  refsOf,
} from './shared-refs.js';
import { ADMIT, BEAT, FILL, SETTLE } from './shared-scripts.js';
import { readVerdict, type SharedVerdict, SPARE_MS } from './shared-verdict.js';
import { countsCall, type Holds, type Subject } from './subject.js';

const REPLICAS = `${PREFIX}replicas`;
const MARK = `${PREFIX}mark`;
const BEAT_MS = 1_000;
const RETRY_MS = 250;
/** A replica that has not been heard of for so long is lost. */
const LEASE_MS = 5_000;
/** By then all replicas have found a Redis that is back. */
const REJOIN_MS = 3_000;
const ENTRIES_PER_SCRIPT_MAX = 200;
/** A Redis that is there and does not answer in time may answer the others: for so long nobody takes it for lost. */
const SLOW_MS_MAX = 10_000;
/** A quarter of what is left, for all of them together. */
const SPARE_PARTS = 4;

type Script = (keyCount: number, ...keysAndAsk: string[]) => Promise<(string | number)[]>;
type Scripts = Record<'tollgateAdmit' | 'tollgateSettle' | 'tollgateFill' | 'tollgateBeat', Script>;

/** What was used of one rule before. */
export interface RulePast {
  readonly subject: Subject;
  readonly held: HeldRule;
  readonly entries: PastEntries;
}

/**
 * Counts together with the other replicas, in Redis: one round trip a call, and none that waits. Without Redis, or while it is
 * away, this replica decides by its share; when it is back, it is told what was used meanwhile before anybody relies on it.
 */
@Injectable()
export class SharedLimits implements OnApplicationShutdown {
  /** null: there are no other replicas */
  view: ReplicaView | null = null;
  /** All that are counted. */
  subjects: () => Iterable<Subject> = () => [];
  private readonly me: string;
  private readonly logger = new Logger(SharedLimits.name);
  private readonly scripts: Scripts | null;
  private readonly touched = new Set<HeldRule | Subject>();
  private readonly subjectOf = new WeakMap<HeldRule, Subject>();
  private mark: string | null = null;
  private rejoinAtMs = Infinity;
  /** Nothing was counted alone yet. */
  private isFirst = true;
  private timer: NodeJS.Timeout | null = null;
  private isClosed = false;

  constructor(
    private readonly redis: RedisConnection,
    private readonly clock: Clock,
  ) {
    const { client } = redis;
    this.me = redis.replicaId;
    client?.defineCommand('tollgateAdmit', { lua: ADMIT });
    client?.defineCommand('tollgateSettle', { lua: SETTLE });
    client?.defineCommand('tollgateFill', { lua: FILL });
    client?.defineCommand('tollgateBeat', { lua: BEAT });
    this.scripts = client as unknown as Scripts | null;
    if (!client) return;
    this.view = {
      isInStep: false,
      replicas: 1,
      rank: 0,
      outage: 1,
      outageStartedMs: clock.monotonic(),
      sharesFromMs: 0,
    };
    client.on('close', () => this.lose());
  }

  /** Finds the others, before the first call; does not wait for a Redis that is away. */
  async join(): Promise<void> {
    if (!this.scripts || this.timer) return;
    const untilMs = this.clock.monotonic() + REJOIN_MS / 3;
    while (!this.redis.isReady && this.clock.monotonic() < untilMs) await new Promise((go) => setTimeout(go, 20));
    await this.beat();
  }

  onApplicationShutdown(): void {
    this.isClosed = true;
    if (this.timer) clearTimeout(this.timer);
  }

  /** null: no answer in time; then this replica decides by its share. @param isPeek only asks how things stand */
  async admit(
    subjects: readonly Subject[],
    demand: Demand,
    now: Instant,
    isPeek = false,
  ): Promise<SharedVerdict | null> {
    const refs = subjects.flatMap(refsOf);
    const entries = refs.map(({ subject, held }) =>
      held
        ? {
            ...form(held, now),
            l: held.rule.limit,
            a: Math.ceil(amountOf(held.rule, demand)),
            q: held.rule.unit === 'requests',
          }
        : { ...CONCURRENCY, l: subject.concurrencyMax },
    );
    try {
      const ask = { entries, peek: isPeek, spareMs: SPARE_MS, spareParts: SPARE_PARTS };
      const reply = await this.redis.inTime(this.call('tollgateAdmit', refs.map(keyOf), ask));
      const numbers = reply.map(Number);
      this.noteCount(numbers[3] ?? 1);
      return readVerdict(numbers, refs, now, isPeek);
    } catch (error) {
      this.fallOut(error);
      return null;
    }
  }

  /** Gives back what a call held, and counts what it used. */
  settle(subject: Subject, holds: Holds, actual: Demand, now: Instant): void {
    if (!this.view) return;
    const refs = refsOf(subject);
    for (const { held } of refs) this.touch(held ?? subject, subject);
    if (!this.view.isInStep) return;
    const counting = refs.filter(({ held }) => held === null || countsCall(held, holds));
    this.send(counting, holds, actual, now);
  }

  /** Counts what was used by work that held nothing. */
  charge(subject: Subject, actual: Demand, now: Instant): void {
    if (this.view?.isInStep)
      this.send(
        refsOf(subject).filter(({ held }) => held !== null),
        NOTHING_HELD,
        actual,
        now,
      );
  }

  /** What this replica's calls hold of it is told with the next beat: what got lost on the way is mended so. */
  touch(held: HeldRule | Subject, subject: Subject): void {
    if (!this.view) return;
    this.touched.add(held);
    if ('rule' in held) this.subjectOf.set(held, subject);
  }

  /**
   * Tells what was used before the rules were counted; whoever comes first counts, but for a recount.
   *
   * @throws what Redis throws
   */
  async fill(past: readonly RulePast[], how: { isFresh?: boolean; isRecount?: boolean }): Promise<void> {
    if (!this.redis.isReady) return;
    for (const { told } of this.fillings(past, how)) await told;
  }

  /** One script for all of what is settled at once. */
  private send(refs: readonly Ref[], holds: Holds, actual: Demand, now: Instant): void {
    if (refs.length === 0) return;
    const entries = refs.map(({ held }) => {
      if (!held) return CONCURRENCY;
      const isCounted = held.rule.unit !== 'requests';
      return { ...form(held, now), h: Math.ceil(holds.get(held) ?? 0), a: isCounted ? amountOf(held.rule, actual) : 0 };
    });
    this.call('tollgateSettle', refs.map(keyOf), { entries }).catch((error: unknown) => {
      for (const [index, { held }] of refs.entries()) {
        const { a = 0 } = entries[index] as { a?: number };
        if (held && a > 0) held.addUnsent(a, now);
      }
      this.fallOut(error);
    });
  }

  /** Redis did not answer: from now on this replica decides by its share. */
  private fallOut(error?: unknown): void {
    if (!this.view || (!this.view.isInStep && this.rejoinAtMs === Infinity)) return;
    if (error) this.logger.warn(`limits are counted by this replica alone: ${String(error)}`);
    const { outage, replicas, rank } = this.view;
    this.rejoinAtMs = Infinity;
    const nowMs = this.clock.monotonic();
    const startedMs = { outageStartedMs: nowMs, sharesFromMs: nowMs + (this.redis.isReady ? SLOW_MS_MAX : SPARE_MS) };
    this.view = { isInStep: false, replicas, rank, outage: outage + 1, ...startedMs };
    this.nextBeat(RETRY_MS);
  }

  /** The connection is gone: that of the others, too, most likely. */
  private lose(): void {
    this.fallOut();
    if (!this.view) return;
    const sharesFromMs = Math.min(this.view.sharesFromMs, this.clock.monotonic() + SPARE_MS);
    this.view = { ...this.view, sharesFromMs };
  }

  private nextBeat(ms: number): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = this.isClosed ? null : setTimeout(() => void this.beat(), ms).unref();
  }

  private async beat(): Promise<void> {
    if (!this.redis.isReady) {
      this.fallOut();
      return this.nextBeat(RETRY_MS);
    }
    const touched = [...this.touched].slice(0, ENTRIES_PER_SCRIPT_MAX);
    for (const one of touched) this.touched.delete(one);
    try {
      await this.tellHeld(touched);
      if (this.view?.isInStep) return this.nextBeat(this.touched.size > 0 ? 0 : BEAT_MS);
      this.rejoin();
      this.nextBeat(RETRY_MS);
    } catch (error) {
      for (const one of touched) this.touched.add(one);
      this.fallOut(error);
      this.nextBeat(RETRY_MS);
    }
  }

  private async tellHeld(touched: readonly (HeldRule | Subject)[]): Promise<void> {
    const now = this.now();
    const refs = touched.map((one) =>
      'rule' in one ? { subject: this.subjectOf.get(one), held: one } : { subject: one, held: null },
    );
    const known = refs.filter((ref): ref is Ref => ref.subject !== undefined);
    const entries = known.map(({ subject, held }) =>
      held ? { ...form(held, now), h: Math.ceil(held.reserved) } : { ...CONCURRENCY, h: subject.inFlight },
    );
    const ask = { entries, lease: LEASE_MS, mark: randomUUID() };
    const answer = this.call('tollgateBeat', known.map(keyOf), ask, [MARK]);
    const [mark = '', ...replicas] = (await this.redis.inTime(answer)).map(String);
    this.noteReplicas(replicas);
    const isEmptied = this.mark !== null && this.mark !== mark;
    this.mark = mark;
    if (isEmptied) this.onEmptied(now);
  }

  /** One that has just come counts from the next call on, and not only from the next beat. */
  private noteCount(replicas: number): void {
    const { view } = this;
    if (view?.isInStep && replicas > view.replicas) this.view = { ...view, replicas };
  }

  /** Takes on who lives. */
  noteReplicas(replicas: readonly string[]): void {
    const { view } = this;
    if (!view) return;
    const rank = Math.max(0, replicas.toSorted().indexOf(this.me));
    // Of an outage the number counts that was there before it: whoever comes back first must not take the shares of the others.
    const count = view.isInStep ? replicas.length : Math.max(view.replicas, replicas.length);
    this.view = { ...view, rank: Math.min(rank, count - 1), replicas: Math.max(1, count) };
  }

  /** Redis has lost everything: what this replica used of rates, and what its calls hold, is told anew; of plans the log knows. */
  private onEmptied(now: Instant): void {
    this.logger.warn('Redis has lost what was counted: it is counted anew from what the replicas and the log know');
    if (this.view?.isInStep) this.fallOut();
    const past: RulePast[] = [];
    for (const subject of this.subjects()) {
      this.touch(subject, subject);
      for (const held of subject.rules) {
        this.touch(held, subject);
        held.takeUnsent(now);
        if (held.rule.kind === 'rate') past.push({ subject, held, entries: held.meter.entries(now) });
      }
    }
    this.tellPast(past);
  }

  /** Counts with the others again, when all of them can have told what they used alone. */
  private rejoin(): void {
    const { view } = this;
    if (!view) return;
    const now = this.now();
    const nowMs = now.monotonicMs;
    const aloneMs = nowMs - view.outageStartedMs;
    if (this.rejoinAtMs === Infinity) this.rejoinAtMs = nowMs + (this.isFirst ? 0 : Math.min(REJOIN_MS, aloneMs));
    // Commands are done in the order in which they are sent: what comes after this is told call by call.
    if (nowMs >= this.rejoinAtMs) {
      this.view = { ...view, isInStep: true };
      if (!this.isFirst) this.logger.log('limits are counted with the other replicas again');
      this.isFirst = false;
    }
    const past: RulePast[] = [];
    for (const subject of this.subjects()) {
      for (const held of subject.rules) {
        const entries = held.takeUnsent(now);
        if (entries.length > 0) past.push({ subject, held, entries });
        if (held.reserved > 0) this.touch(held, subject);
      }
      if (subject.inFlight > 0) this.touch(subject, subject);
    }
    this.tellPast(past);
  }

  private tellPast(past: readonly RulePast[]): void {
    for (const { part, told } of this.fillings(past, { more: true })) {
      told.catch((error: unknown) => {
        const now = this.now();
        for (const { held, entries } of part) for (const [, amount] of entries) held.addUnsent(amount, now);
        this.fallOut(error);
      });
    }
  }

  /** Tells a part after the other, as whoever asks goes on. */
  private *fillings(
    past: readonly RulePast[],
    how: object,
  ): Iterable<{ part: readonly RulePast[]; told: Promise<unknown> }> {
    const now = this.now();
    for (let from = 0; from < past.length; from += ENTRIES_PER_SCRIPT_MAX) {
      const part = past.slice(from, from + ENTRIES_PER_SCRIPT_MAX);
      const entries = part.map(({ held, entries: used }) => ({ ...form(held, now), past: pairs(used) }));
      yield { part, told: this.call('tollgateFill', part.map(keyOf), { entries, ...how }) };
    }
  }

  private now(): Instant {
    return { wallMs: this.clock.now(), monotonicMs: this.clock.monotonic() };
  }

  private call(name: keyof Scripts, keys: readonly string[], ask: object, before: readonly string[] = []) {
    const { scripts } = this;
    if (!scripts) return Promise.reject(new Error('there is no Redis'));
    const all = [REPLICAS, ...before, ...keys];
    return scripts[name](all.length, ...all, JSON.stringify({ me: this.me, ...ask }));
  }
}
