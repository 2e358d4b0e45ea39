import { z } from 'zod';
import { ManagedBy, ModelName } from './fields.js';
import { idOf } from './ids.js';
import { pageOf } from './page.js';
import { Prices, PricesInput } from './prices.js';

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

export const Model = z
  .object({
    id: z.string(),
    name: z.string(),
    aliases: z.array(z.string()),
    upstreams: z.array(z.object({ upstream_id: z.string(), upstream_model: z.string().nullable() })),
    prices: Prices.nullable().meta({ description: 'What counts now; null: the model has no price' }),
    warnings: z
      .array(z.object({ code: z.enum(['model_not_priced']), message: z.string() }))
      .meta({ description: 'What an operator should see to' }),
    managed_by: ManagedBy,
    context_window_tokens: contextWindowTokens,
    created_at: z.string(),
    updated_at: z.string(),
  })
  .meta({ id: 'Model' });
export type Model = z.infer<typeof Model>;

export const ModelList = pageOf(Model).meta({ id: 'ModelList' });
