import { z } from 'zod';
import { Timestamp } from './fields.js';

const RANGE_DAYS_MAX = 31;

export const ReconciliationQuery = z
  .strictObject({
    from: Timestamp.optional().meta({ description: 'Inclusive; default: 24 hours before the end' }),
    to: Timestamp.optional().meta({ description: 'Exclusive; default: now' }),
  })
  .refine(({ from, to }) => !from || !to || Date.parse(from) < Date.parse(to), {
    error: 'must be after from',
    path: ['to'],
  })
  .refine(
    ({ from, to }) => !from || (to ? Date.parse(to) : Date.now()) - Date.parse(from) <= RANGE_DAYS_MAX * 86_400_000,
    {
      error: `must be within ${RANGE_DAYS_MAX} days before to`,
      path: ['from'],
    },
  );
export type ReconciliationQuery = z.infer<typeof ReconciliationQuery>;

const amount = z.string().meta({ description: 'A whole number, or USD, as a decimal string' });

const Check = z.object({
  name: z.enum([
    'requests',
    'lost_rows',
    'settlements',
    'upstream_attempts',
    'totals_by_hour',
    'totals_by_day',
    'balances',
  ]),
  description: z.string(),
  is_equal: z.boolean(),
  left: amount,
  right: amount,
});
export type ReconciliationCheck = z.infer<typeof Check>;

const Difference = z.object({
  check: z.enum(['totals_by_hour', 'totals_by_day']),
  start: z.string(),
  measure: z.string(),
  left: amount,
  right: amount,
});

export const Reconciliation = z
  .object({
    from: z
      .string()
      .meta({ description: 'The asked time, widened to full hours; not further back than rows are kept' }),
    to: z.string(),
    is_balanced: z.boolean().meta({ description: 'All checks are equal' }),
    checks: z.array(Check),
    differences: z.array(Difference).meta({ description: 'Hours and days whose totals differ; the first hundred' }),
    settlements: z.record(z.string(), z.int()).meta({ description: 'Rows of the time by settlement' }),
    outcomes: z.record(z.string(), z.int()).meta({ description: 'Rows of the time by outcome' }),
    journal: z
      .object({ rows_pending: z.int(), oldest_pending_seconds: z.number(), bytes: z.int() })
      .meta({ description: 'Rows of this replica that are not in PostgreSQL yet, and so in none of the numbers' }),
  })
  .meta({ id: 'Reconciliation' });
export type Reconciliation = z.infer<typeof Reconciliation>;

export const Status = z
  .object({
    replica: z.string(),
    version: z.string(),
    node_version: z.string(),
    started_at: z.string(),
    state: z.enum(['ok', 'draining', 'refusing', 'stale']).meta({
      description:
        'draining: it is going down; refusing: the journal takes no more model requests; stale: keys and configuration are out of date',
    }),
    requests_in_flight: z.int(),
    snapshot_age_seconds: z.number().meta({ description: 'Since keys and configuration were known to be fresh' }),
    database: z.enum(['ok', 'away']),
    redis: z.enum(['off', 'ok', 'away']),
    journal: z.object({
      bytes: z.int(),
      rows_pending: z.int(),
      oldest_pending_seconds: z.number(),
      rows_lost: z.int(),
      crash_rows: z.int(),
      segments_damaged: z.int(),
      refusal: z.enum(['full', 'unwritable']).nullable().meta({ description: 'Why it takes no more model requests' }),
    }),
  })
  .meta({ id: 'Status' });
export type Status = z.infer<typeof Status>;
