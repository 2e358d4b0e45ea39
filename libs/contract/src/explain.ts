import { z } from 'zod';
import { ModelName } from './fields.js';
import { idOf } from './ids.js';

export const ExplainRequest = z
  .strictObject({
    key_id: idOf('key').optional().meta({ description: 'A key: its state and its group count' }),
    group_id: idOf('group').optional().meta({ description: 'A group, in place of a key' }),
    model: ModelName.meta({ description: 'Model name to ask about' }),
    headers: z
      .record(z.string().max(100), z.string().max(2_000))
      .default({})
      .meta({ description: 'Headers of the call that decide where it goes, such as session-id' }),
    prompt_cache_key: z.string().max(512).optional(),
  })
  .refine((body) => (body.key_id === undefined) !== (body.group_id === undefined), {
    error: 'needs either key_id or group_id',
  })
  .meta({ id: 'ExplainRequest' });
export type ExplainRequest = z.infer<typeof ExplainRequest>;

export const ExplainCheck = z
  .object({
    rule: z.string().meta({ description: 'Name of the check, such as group.models; errors name it as error.rule' }),
    passed: z.boolean(),
    detail: z.string(),
  })
  .meta({ id: 'ExplainCheck' });
export type ExplainCheck = z.infer<typeof ExplainCheck>;

export const Explanation = z
  .object({
    decision: z.enum(['served', 'refused']),
    rule: z.string().nullable().meta({ description: 'The check that refused; null when served' }),
    status: z.int().meta({ description: 'What the client gets' }),
    code: z.string().nullable(),
    model: z.string(),
    canonical_model: z.string().meta({ description: 'What the name stands for, if it is an alias' }),
    checks: z.array(ExplainCheck),
    candidates: z.array(
      z.object({
        upstream_id: z.string(),
        upstream_name: z.string(),
        upstream_model: z.string(),
        priority: z.int(),
        weight: z.int(),
        standing: z.string().meta({
          description: 'available; open, cooling_down, trial_running: last; tripped, at_capacity: not at all',
        }),
      }),
    ),
    limits: z.array(
      z.object({
        rule: z.string(),
        unit: z.string(),
        limit: z.number().meta({ description: 'Money in USD' }),
        used: z.number(),
        remaining: z.number(),
        used_percent: z.number(),
        resets_at: z.string().nullable(),
      }),
    ),
  })
  .meta({ id: 'Explanation' });
export type Explanation = z.infer<typeof Explanation>;
