import { z } from 'zod';
import { ModelPattern } from './fields.js';

const flag = z
  .enum(['true', 'false'])
  .default('false')
  .transform((text) => text === 'true');

export const ImportPricesQuery = z.strictObject({
  dry_run: flag.meta({ description: 'Only tell what would change' }),
  create_models: flag.meta({ description: 'Register models of the list that are not registered yet' }),
  match: z
    .string()
    .max(4_000)
    .optional()
    .transform((list) => list?.split(','))
    .pipe(z.array(ModelPattern).optional())
    .meta({ description: 'Comma-separated names, or patterns in which * stands for any characters; default: all' }),
});
export type ImportPricesQuery = z.infer<typeof ImportPricesQuery>;

/** The public list of LiteLLM: model_prices_and_context_window.json. */
export const PriceListFile = z.record(z.string(), z.unknown()).meta({ id: 'PriceListFile' });
export type PriceListFile = z.infer<typeof PriceListFile>;

const imported = z.array(
  z.object({
    model_id: z.string().nullable().meta({ description: 'null: it would be created' }),
    name: z.string(),
    list_name: z.string(),
    changes: z.array(
      z.object({
        field: z.string().meta({ description: 'Such as service_tiers.flex.output_per_million_usd' }),
        before: z.string().nullable(),
        after: z.string().nullable(),
      }),
    ),
    context_window_tokens: z.int().nullable().meta({ description: 'Taken over, because it was not known' }),
  }),
);

export const ImportedPrices = z
  .object({
    dry_run: z.boolean(),
    created: imported,
    updated: imported,
    unchanged: z.array(z.string()),
    not_listed: z.array(z.string()).meta({ description: 'Registered models that the list does not know' }),
    left_out: z.array(
      z.object({
        list_name: z.string(),
        field: z.string().nullable().meta({ description: 'null: the whole entry' }),
        reason: z.string(),
      }),
    ),
  })
  .meta({ id: 'ImportedPrices' });
export type ImportedPrices = z.infer<typeof ImportedPrices>;
