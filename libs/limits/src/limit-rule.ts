import type { PlanPeriod } from './plan-period.js';

/** What is counted. */
export type LimitUnit = 'requests' | 'input_tokens' | 'tokens' | 'nano_usd';

/** So much of something over a period. */
export interface LimitRule {
  /** As people call it: `requests_per_minute`, `budget`, or the name of a plan's window. */
  readonly name: string;
  readonly unit: LimitUnit;
  readonly limit: number;
  /** null: since ever */
  readonly period: PlanPeriod | null;
  /** `rate`: there is room again in a moment, so one waits. `plan`: what was granted is used up. */
  readonly kind: 'rate' | 'plan';
  /** From how much of it on operators are told; null: only when it is used up. Of plans only. */
  readonly alertPercent?: number | null;
  /** Of a prepaid balance only. */
  readonly prepaid?: {
    /** Wall clock; when it was opened. Only calls that began since count. */
    readonly openedAtMs: number;
    /** `alertPercent` is a part of this, not of all that was ever paid in. */
    readonly lastTopUp: number;
  };
}

/** What one key, or one group with all of its keys, may use. */
export interface SubjectLimits {
  readonly rules: readonly LimitRule[];
  /** Calls at the same time; null: any number. */
  readonly concurrencyMax: number | null;
}

/** What a call uses, or is expected to. */
export interface Demand {
  readonly inputTokens: number;
  /** Of input and output. */
  readonly tokens: number;
  readonly nanoUsd: number;
}

export const NOTHING_USED: Demand = { inputTokens: 0, tokens: 0, nanoUsd: 0 };

const MINUTE: PlanPeriod = { kind: 'rolling', ms: 60_000 };

/** What the fields of a key or a group say, as rules; null in each: no limit. */
export function rateRules(limits: {
  requestsPerMinute: number | null;
  inputTokensPerMinute: number | null;
  tokensPerMinute: number | null;
}): LimitRule[] {
  const rate = (name: string, unit: LimitUnit, limit: number | null): LimitRule[] =>
    limit === null ? [] : [{ name, unit, limit, period: MINUTE, kind: 'rate' }];
  return [
    ...rate('requests_per_minute', 'requests', limits.requestsPerMinute),
    ...rate('input_tokens_per_minute', 'input_tokens', limits.inputTokensPerMinute),
    ...rate('tokens_per_minute', 'tokens', limits.tokensPerMinute),
  ];
}

/** What operators are to be told of a plan of which so much is used; null: nothing. */
export function alertLevel(
  { kind, limit, alertPercent, prepaid }: LimitRule,
  used: number,
): 'reached' | 'soft_threshold' | null {
  if (kind !== 'plan') return null;
  if (used >= limit) return 'reached';
  const whole = prepaid?.lastTopUp ?? limit;
  return alertPercent && (limit - used) * 100 <= whole * (100 - alertPercent) ? 'soft_threshold' : null;
}

/** How much of a rule is used, 100 at most. */
export function usedPercent({ limit }: LimitRule, used: number): number {
  return limit > 0 ? Math.min(100, (used / limit) * 100) : 100;
}

/** How much of a rule's unit a call uses. */
export function amountOf({ unit }: LimitRule, { inputTokens, tokens, nanoUsd }: Demand): number {
  switch (unit) {
    case 'requests':
      return 1;
    case 'input_tokens':
      return inputTokens;
    case 'tokens':
      return tokens;
    case 'nano_usd':
      return nanoUsd;
    default:
      return unit satisfies never;
  }
}
