import { z } from 'zod';
import { ModelName, Name, Usd } from './fields.js';

const count = (what: string) =>
  z
    .int()
    .min(1)
    .max(1_000_000_000)
    .nullable()
    .meta({ description: `${what}; null: no limit` });

/** Limits that a key and a group can have. */
export const limitFields = {
  requests_per_minute: count('Requests within any 60 seconds'),
  input_tokens_per_minute: count('Input tokens within any 60 seconds'),
  tokens_per_minute: count('Input and output tokens within any 60 seconds'),
  max_concurrency: count('Calls at the same time; a few more wait for their turn'),
  soft_threshold_percent: z.int().min(1).max(99).nullable().meta({
    description: 'From how much of the budget or of a window on operators are alerted; null: only when it is used up',
  }),
  budget_usd: Usd.nullable().meta({ description: 'What may be spent in all, as a decimal string; null: no limit' }),
};

/** The same for what is made: no limit unless it is given. */
export const noLimits = {
  requests_per_minute: limitFields.requests_per_minute.default(null),
  input_tokens_per_minute: limitFields.input_tokens_per_minute.default(null),
  tokens_per_minute: limitFields.tokens_per_minute.default(null),
  max_concurrency: limitFields.max_concurrency.default(null),
  budget_usd: limitFields.budget_usd.default(null),
  soft_threshold_percent: limitFields.soft_threshold_percent.default(80),
};

const UNIT_DAYS = { m: 1 / 1440, h: 1 / 24, d: 1 } as const;
const PERIOD_DAYS_MAX = 366;

/** One window of a plan. */
export const PlanWindow = z
  .strictObject({
    name: Name,
    period: z
      .string()
      .refine(isPeriod, { error: 'must be such as 5h, 7d (366d at most), or day, week, month' })
      .meta({
        description: 'The last so long (30m, 5h, 7d), or a part of the calendar (day, week, month)',
        examples: ['5h', '7d', 'month'],
      }),
    unit: z.enum(['requests', 'tokens', 'usd']),
    limit: z.union([z.int().min(1).max(1_000_000_000_000), Usd]).meta({
      description: 'A whole number; with the unit usd a decimal string',
    }),
  })
  .refine(({ limit }) => Number(limit) > 0, { path: ['limit'], error: 'must be more than nothing' })
  .refine(({ unit, limit }) => (unit === 'usd') === (typeof limit === 'string'), {
    path: ['limit'],
    error: 'must be a decimal string such as "20.00" for usd, and a whole number for requests and tokens',
  })
  .meta({ id: 'PlanWindow' });
export type PlanWindow = z.infer<typeof PlanWindow>;

/** Limits of a group that count for one model only. */
export const ModelLimits = z
  .strictObject({
    model: ModelName,
    requests_per_minute: limitFields.requests_per_minute.default(null),
    input_tokens_per_minute: limitFields.input_tokens_per_minute.default(null),
    tokens_per_minute: limitFields.tokens_per_minute.default(null),
    max_concurrency: limitFields.max_concurrency.default(null),
  })
  .meta({ id: 'ModelLimits' });
export type ModelLimits = z.infer<typeof ModelLimits>;

export const modelLimits = z
  .array(ModelLimits)
  .max(100)
  .refine((limits) => new Set(limits.map(({ model }) => model)).size === limits.length, {
    error: 'must name each model once',
  })
  .meta({ description: "Besides the group's own limits, by a model's name and not by its aliases" });

export const planWindows = z
  .array(PlanWindow)
  .max(10)
  .refine((windows) => new Set(windows.map(({ name }) => name)).size === windows.length, {
    error: 'must have a name of its own each',
  })
  .meta({ description: 'The plan: Codex shows the first two as its own limits' });

export const timeZone = z
  .string()
  .max(64)
  .refine(isTimeZone, { error: 'must be a time zone such as Europe/Berlin' })
  .meta({ description: 'In which days, weeks and months of the plan begin' });

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

function isPeriod(text: string): boolean {
  if (['day', 'week', 'month'].includes(text)) return true;
  const [, number = '', unit = ''] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  const days = Number(number) * (UNIT_DAYS[unit as keyof typeof UNIT_DAYS] ?? 0);
  return days > 0 && days <= PERIOD_DAYS_MAX;
}
