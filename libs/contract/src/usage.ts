import { z } from 'zod';
import { anyOrNone } from './any-of.js';
import { text, Timestamp } from './fields.js';
import { idOf } from './ids.js';

const DIMENSIONS = ['key', 'group', 'model', 'upstream', 'error', 'client', 'owner', 'service_tier'] as const;

export const UsageQuery = z
  .strictObject({
    start: Timestamp.optional().meta({
      description: 'Inclusive; default: 30 days before the end, by minute one hour',
    }),
    end: Timestamp.optional().meta({ description: 'Exclusive; default: now' }),
    bucket: z
      .enum(['minute', 'hour', 'day', 'month', 'total'])
      .default('total')
      .meta({ description: 'In UTC; minutes of two days at most, hours of 366 days' }),
    group_by: z
      .string()
      .optional()
      .transform((list) => (list ? [...new Set(list.split(','))] : []))
      .pipe(z.array(z.enum(DIMENSIONS, { error: `must be a comma-separated list of ${DIMENSIONS.join(', ')}` })))
      .meta({ description: `Comma-separated: ${DIMENSIONS.join(', ')}` }),
    key: anyOrNone(idOf('key'), 'Id of a key'),
    group: anyOrNone(idOf('group'), 'Id of a group'),
    model: anyOrNone(text().max(256), 'As the client asked for it'),
    upstream: anyOrNone(idOf('upstream'), 'Id of an upstream'),
    error: anyOrNone(text().max(64), 'Code of an error, else its outcome'),
    client: anyOrNone(text().max(40), 'A client, without its version'),
    owner: anyOrNone(text().max(200), 'Owner of a key, as it is now'),
    service_tier: anyOrNone(text().max(64), 'As the answer names it, else as it was asked for'),
    format: z.enum(['json', 'csv']).default('json'),
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
  error: z.string().nullable().optional().meta({ description: 'Code of an error, else its outcome; null: no error' }),
  client: z.string().nullable().optional().meta({ description: 'Without its version' }),
  owner: z.string().nullable().optional(),
  service_tier: z.string().nullable().optional(),
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
