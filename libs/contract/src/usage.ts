import { z } from 'zod';
import { Timestamp } from './fields.js';

const DIMENSIONS = ['key', 'group', 'model', 'upstream'] as const;

export const UsageQuery = z
  .strictObject({
    start: Timestamp.optional().meta({ description: 'Inclusive; default: 30 days before the end' }),
    end: Timestamp.optional().meta({ description: 'Exclusive; default: now' }),
    bucket: z.enum(['hour', 'day', 'month', 'total']).default('total').meta({ description: 'In UTC' }),
    group_by: z
      .string()
      .optional()
      .transform((list) => (list ? list.split(',') : []))
      .pipe(z.array(z.enum(DIMENSIONS, { error: `must be a comma-separated list of ${DIMENSIONS.join(', ')}` })))
      .meta({ description: 'Comma-separated: key, group, model, upstream' }),
  })
  .refine(({ start, end }) => !start || !end || new Date(start) <= new Date(end), {
    error: 'must not be before start',
    path: ['end'],
  });
export type UsageQuery = z.infer<typeof UsageQuery>;

const UsageTotals = z.object({
  start: z.string(),
  end: z.string(),
  key_id: z.string().nullable().optional(),
  key_name: z.string().nullable().optional(),
  group_id: z.string().nullable().optional(),
  group_name: z.string().nullable().optional(),
  model: z.string().nullable().optional(),
  upstream_id: z.string().nullable().optional(),
  upstream_name: z.string().nullable().optional(),
  requests: z.int(),
  input_tokens: z.int(),
  cached_tokens: z.int(),
  cache_write_tokens: z.int(),
  output_tokens: z.int(),
  reasoning_tokens: z.int(),
  cost_usd: z.string(),
  errors: z.int().meta({ description: 'Requests whose outcome is neither ok nor client_left' }),
});

export const Usage = z.object({ data: z.array(UsageTotals) }).meta({ id: 'Usage' });
export type Usage = z.infer<typeof Usage>;
