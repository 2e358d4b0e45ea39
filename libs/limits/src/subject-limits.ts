import { type LimitRule, rateRules, type SubjectLimits } from './limit-rule.js';
import { parsePeriod } from './plan-period.js';

/** One window of a plan, as it is stored. */
export interface StoredWindow {
  readonly name: string;
  readonly period: string;
  readonly unit: 'requests' | 'tokens' | 'usd';
  /** A number, or nano-USD as a decimal string of digits. */
  readonly limit: number | string;
}

/** What was paid in, as it is stored. */
export interface StoredBalance {
  readonly openedAt: Date;
  readonly creditedNanoUsd: bigint;
  readonly lastTopUpNanoUsd: bigint;
}

/** The limits of a key or a group, as they are stored; null in each: no limit. */
export interface StoredLimits {
  readonly requestsPerMinute: number | null;
  readonly inputTokensPerMinute: number | null;
  readonly tokensPerMinute: number | null;
  readonly maxConcurrency: number | null;
  readonly budgetNanoUsd: bigint | null;
  readonly softThresholdPercent?: number | null;
  readonly windows?: readonly StoredWindow[];
  readonly timeZone?: string;
  /** null: calls need none */
  readonly balance?: StoredBalance | null;
}

/** As rules, in the order in which they are asked: what is used up before what is soon over. */
export function subjectLimits(stored: StoredLimits): SubjectLimits {
  const {
    budgetNanoUsd,
    windows = [],
    timeZone = 'UTC',
    maxConcurrency,
    softThresholdPercent: alertPercent = null,
    balance = null,
  } = stored;
  const plan = windows.flatMap((window) => planRule(window, timeZone)).map((rule) => ({ ...rule, alertPercent }));
  const budget: LimitRule[] =
    budgetNanoUsd === null
      ? []
      : [{ name: 'budget', unit: 'nano_usd', limit: Number(budgetNanoUsd), period: null, kind: 'plan', alertPercent }];
  const prepaid = balance === null ? [] : [{ ...prepaidRule(balance), alertPercent }];
  return { rules: [...plan, ...budget, ...prepaid, ...rateRules(stored)], concurrencyMax: maxConcurrency };
}

/** A correction can take back more than was paid in. */
function prepaidRule({ openedAt, creditedNanoUsd, lastTopUpNanoUsd }: StoredBalance): LimitRule {
  const prepaid = { openedAtMs: openedAt.getTime(), lastTopUp: Number(lastTopUpNanoUsd) };
  const limit = Math.max(0, Number(creditedNanoUsd));
  return { name: 'balance', unit: 'nano_usd', limit, period: null, kind: 'plan', prepaid };
}

/** A window that was stored by a later release, and is not understood, does not count. */
function planRule({ name, period: text, unit, limit }: StoredWindow, timeZone: string): LimitRule[] {
  const period = parsePeriod(text, timeZone);
  if (!period) return [];
  return [{ name, unit: unit === 'usd' ? 'nano_usd' : unit, limit: Number(limit), period, kind: 'plan' }];
}
