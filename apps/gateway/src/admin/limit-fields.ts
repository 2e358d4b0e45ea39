import type { ModelLimits, PlanWindow } from '@app/contract';
import type { StoredLimits, StoredWindow } from '@app/limits';
import { formatUsd, parseUsd } from '@app/models';
import { given } from './given.js';

interface LimitFields {
  readonly requests_per_minute: number | null;
  readonly input_tokens_per_minute: number | null;
  readonly tokens_per_minute: number | null;
  readonly max_concurrency: number | null;
  readonly budget_usd: string | null;
  readonly soft_threshold_percent: number | null;
}

type LimitColumns = Omit<StoredLimits, 'windows' | 'timeZone' | 'softThresholdPercent'> & {
  readonly softThresholdPercent: number | null;
};

/** The service's names for the limits that were given. */
export function toLimitColumns(body: {
  [Name in keyof LimitFields]?: LimitFields[Name] | undefined;
}): Partial<LimitColumns> {
  return given({
    requestsPerMinute: body.requests_per_minute,
    inputTokensPerMinute: body.input_tokens_per_minute,
    tokensPerMinute: body.tokens_per_minute,
    maxConcurrency: body.max_concurrency,
    softThresholdPercent: body.soft_threshold_percent,
    budgetNanoUsd: typeof body.budget_usd === 'string' ? parseUsd(body.budget_usd) : body.budget_usd,
  });
}

/** The limits of a row, as the API shows them. */
export function shownLimits(row: LimitColumns): LimitFields {
  return {
    requests_per_minute: row.requestsPerMinute,
    input_tokens_per_minute: row.inputTokensPerMinute,
    tokens_per_minute: row.tokensPerMinute,
    max_concurrency: row.maxConcurrency,
    soft_threshold_percent: row.softThresholdPercent,
    budget_usd: row.budgetNanoUsd === null ? null : formatUsd(row.budgetNanoUsd),
  };
}

export function toStoredWindow({ name, period, unit, limit }: PlanWindow): StoredWindow {
  return { name, period, unit, limit: typeof limit === 'string' ? String(parseUsd(limit) ?? 0n) : limit };
}

export function shownWindow({ name, period, unit, limit }: StoredWindow): PlanWindow {
  return { name, period, unit, limit: unit === 'usd' ? formatUsd(BigInt(limit)) : Number(limit) };
}

/** As the database has it. */
export type StoredModelLimits = Omit<LimitColumns, 'budgetNanoUsd' | 'softThresholdPercent'> & {
  readonly model: string;
};

export function toModelLimits({ model, ...limits }: ModelLimits): StoredModelLimits {
  return {
    model,
    requestsPerMinute: limits.requests_per_minute,
    inputTokensPerMinute: limits.input_tokens_per_minute,
    tokensPerMinute: limits.tokens_per_minute,
    maxConcurrency: limits.max_concurrency,
  };
}

export function shownModelLimits({ model, ...limits }: StoredModelLimits): ModelLimits {
  return {
    model,
    requests_per_minute: limits.requestsPerMinute,
    input_tokens_per_minute: limits.inputTokensPerMinute,
    tokens_per_minute: limits.tokensPerMinute,
    max_concurrency: limits.maxConcurrency,
  };
}
