import { z } from 'zod';
import { text, Timestamp } from './fields.js';
import { idOf } from './ids.js';

export const RepriceRequests = z
  .strictObject({
    from: Timestamp.meta({ description: 'Started at or after' }),
    to: Timestamp.meta({ description: 'Started before' }),
    model: text().max(256).optional().meta({ description: 'By its name or an alias' }),
    group_id: idOf('group').optional(),
    key_id: idOf('key').optional(),
    price_multiplier: z.enum(['row', 'group']).default('row').meta({
      description: 'row: each row keeps the multiplier it was priced with; group: it gets that which its group has now',
    }),
    dry_run: z.boolean().default(false).meta({ description: 'Only tell what would change' }),
  })
  .refine(({ from, to }) => new Date(from) <= new Date(to), { error: 'must not be before from', path: ['to'] })
  .meta({ id: 'RepriceRequests' });
export type RepriceRequests = z.infer<typeof RepriceRequests>;

const sums = {
  rows: z.int().meta({ description: 'Rows in the range that have a usage' }),
  changed: z.int(),
  old_cost_usd: z.string(),
  new_cost_usd: z.string(),
  difference_usd: z.string(),
};

export const Repriced = z
  .object({
    dry_run: z.boolean(),
    ...sums,
    keys: z
      .array(z.object({ key_id: z.string().nullable(), key_name: z.string().nullable(), ...sums }))
      .meta({ description: 'Keys of which a row has changed' }),
  })
  .meta({ id: 'Repriced' });
export type Repriced = z.infer<typeof Repriced>;
