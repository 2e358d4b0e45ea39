import type { HeldRule } from './held-rule.js';
import type { Instant } from './meter.js';
import { type Holds, ruleKey, type Subject } from './subject.js';

/** One hash tag for all: a call's meters are one script's, on a cluster, too. */
export const PREFIX = '{tollgate}:';
const CONCURRENCY_TTL_MS = 24 * 3_600_000;

/** What replicas count together: a rule of a subject, or (null) its calls at the same time. */
export type Ref = { readonly subject: Subject; readonly held: HeldRule | null };

/** What was used before: so long ago, so much. */
export type PastEntries = readonly (readonly [ageMs: number, amount: number])[];

export const NOTHING_HELD: Holds = new Map();
/** Of calls at the same time, as the scripts take it. */
export const CONCURRENCY = { k: 'concurrency', ttl: CONCURRENCY_TTL_MS } as const;

/** A subject's concurrency, when that is limited, and its rules. */
export function refsOf(subject: Subject): Ref[] {
  const rules = subject.rules.map((held) => ({ subject, held }));
  return subject.concurrencyMax === Infinity ? rules : [{ subject, held: null }, ...rules];
}

export function keyOf({ subject, held }: Ref): string {
  return held ? `${PREFIX}meter:${subject.key}:${ruleKey(held.rule)}` : `${PREFIX}running:${subject.key}`;
}

export function form(held: HeldRule, now: Instant): object {
  return { ...held.meter.sharedForm(now), p: held.rule.kind === 'plan' };
}

/** As Lua counts: whole milliseconds and amounts; an empty list would become an object. */
export function pairs(entries: PastEntries): number[][] {
  return entries.length === 0 ? [[0, 0]] : entries.map(([age, amount]) => [Math.round(age), Math.round(amount)]);
}
