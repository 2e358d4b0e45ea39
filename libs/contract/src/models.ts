import { z } from 'zod';
import { ModelName, Usd } from './fields.js';
import { idOf } from './ids.js';
import { pageOf } from './page.js';

const PRICE_NAMES = [
  'input_per_million_usd',
  'cached_input_per_million_usd',
  'cache_write_per_million_usd',
  'output_per_million_usd',
  'reasoning_per_million_usd',
  'per_request_usd',
] as const;

const PricesInput = z
  .strictObject({
    input_per_million_usd: Usd,
    cached_input_per_million_usd: Usd.optional().meta({ description: 'Default: the input price' }),
    cache_write_per_million_usd: Usd.optional().meta({ description: 'Default: the input price' }),
    output_per_million_usd: Usd,
    reasoning_per_million_usd: Usd.optional().meta({ description: 'Default: the output price' }),
    per_request_usd: Usd.default('0'),
  })
  .meta({ id: 'PricesInput' });

const aliases = z.array(ModelName).max(50).meta({ description: 'Other names for the same model' });
const upstreams = z
  .array(
    z.strictObject({
      upstream_id: idOf('upstream'),
      upstream_model: ModelName.nullable().optional().meta({ description: "The model's name there, when it differs" }),
    }),
  )
  .max(100)
  .meta({ description: 'Upstreams that serve it; empty: every upstream that is not limited to other models' });

const contextWindowTokens = z
  .int()
  .min(1_000)
  .max(100_000_000)
  .nullable()
  .meta({ description: 'How many tokens the model can read at once; null: not known' });

export const CreateModel = z
  .strictObject({
    name: ModelName,
    aliases: aliases.default([]),
    upstreams: upstreams.default([]),
    prices: PricesInput.nullable().default(null),
    context_window_tokens: contextWindowTokens.default(null),
  })
  .meta({ id: 'CreateModel' });
export type CreateModel = z.infer<typeof CreateModel>;

export const UpdateModel = z
  .strictObject({
    name: ModelName,
    aliases,
    upstreams,
    prices: PricesInput.nullable(),
    context_window_tokens: contextWindowTokens,
  })
  .partial()
  .meta({ id: 'UpdateModel' });
export type UpdateModel = z.infer<typeof UpdateModel>;

const Prices = z.object(
  Object.fromEntries(PRICE_NAMES.map((name) => [name, z.string()])) as Record<
    (typeof PRICE_NAMES)[number],
    z.ZodString
  >,
);

export const Model = z
  .object({
    id: z.string(),
    name: z.string(),
    aliases: z.array(z.string()),
    upstreams: z.array(z.object({ upstream_id: z.string(), upstream_model: z.string().nullable() })),
    prices: Prices.nullable(),
    context_window_tokens: contextWindowTokens,
    created_at: z.string(),
    updated_at: z.string(),
  })
  .meta({ id: 'Model' });
export type Model = z.infer<typeof Model>;

export const ModelList = pageOf(Model).meta({ id: 'ModelList' });
