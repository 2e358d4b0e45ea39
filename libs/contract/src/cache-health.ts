import { z } from 'zod';
import { Timestamp } from './fields.js';

/** Why a turn lost the prompt cache; the first that holds. */
export const CACHE_DROP_CAUSES = [
  'compaction',
  'model',
  'instructions',
  'tools',
  'input',
  'upstream',
  'unknown',
] as const;

export const CacheDrop = z
  .object({
    cause: z.enum(CACHE_DROP_CAUSES).meta({
      description:
        'What is not as it was in the turn before; upstream: another one answered; unknown: nothing that the gateway sees',
    }),
    item_index: z.int().nullable().meta({ description: 'Of the first item of input that is not as it was, from 0 on' }),
    item_type: z.string().nullable(),
    expected_tokens: z.int().meta({ description: 'Input of the turn before, or of this one if that is less' }),
    cached_tokens: z.int(),
    idle_ms: z.number().meta({ description: 'From the answer of the turn before to this request' }),
    previous_request_id: z.string().meta({ description: 'The turn before' }),
  })
  .meta({ id: 'CacheDrop' });
export type CacheDrop = z.infer<typeof CacheDrop>;

const DIMENSIONS = ['key', 'group', 'model', 'upstream'] as const;

export const CacheHealthQuery = z.strictObject({
  from: Timestamp.optional().meta({
    description: 'Counts from the start of its hour in UTC; default: 7 days before to',
  }),
  to: Timestamp.optional().meta({ description: 'Counts to the end of its hour; default: now' }),
  group_by: z
    .enum(DIMENSIONS, { error: `must be one of ${DIMENSIONS.join(', ')}` })
    .optional()
    .meta({ description: 'Without it all is one' }),
});
export type CacheHealthQuery = z.infer<typeof CacheHealthQuery>;

const text = z.string().nullable().optional();

const CachedInput = z.object({
  key_id: text,
  key_name: text,
  group_id: text,
  group_name: text,
  model: text,
  upstream_id: text,
  upstream_name: text,
  requests: z.int(),
  input_tokens: z.int(),
  cached_tokens: z.int(),
  cache_write_tokens: z.int(),
  cached_share: z.number().nullable().meta({ description: 'cached_tokens of input_tokens; null: there were none' }),
});

export const CacheHealth = z
  .object({
    from: z.string(),
    to: z.string(),
    data: z.array(CachedInput).meta({ description: 'Those with the most input that was not cached come first' }),
  })
  .meta({ id: 'CacheHealth' });
export type CacheHealth = z.infer<typeof CacheHealth>;
