import { z } from 'zod';
import { BodyPolicy, Redaction } from './bodies.js';
import { ManagedBy, ModelName, ModelPattern, Name, PriceMultiplier, text } from './fields.js';
import { limitFields, modelLimits, noLimits, planWindows, timeZone } from './limits.js';
import { pageOf } from './page.js';
import { Prices, TokenPricesInput } from './prices.js';

const models = z.array(ModelPattern).max(500).meta({ description: 'Models that keys of this group may use' });
const description = text().max(1000);
const onClientLeft = z.enum(['cancel', 'drain']).meta({
  description:
    'When a client leaves early: cancel the upstream and estimate what it used, or drain it to the end (within bounds) for exact usage',
});
const encryptedContentOnMove = z.enum(['strip', 'refuse']).meta({
  description:
    'When a session must leave the upstream that made its encrypted_content: strip what others cannot read, or refuse',
});

const compactionOutput = z.enum(['both', 'sealed', 'message']).meta({
  description:
    "What a compaction of the gateway's own answers at POST /v1/responses/compact beside the messages of the user: a readable summary and a sealed item, or one of them",
});
const automaticCompaction = z.boolean().meta({
  description: "Compact a call that would exceed its model's context_window_tokens, before it goes to the upstream",
});

const limitMessage = text().trim().max(200).meta({
  description: 'What Codex shows to whoever has used up the plan, such as: Ask your admin for more',
});
const queueWaitMs = z.int().min(0).max(120_000).meta({
  description: 'How long a call may wait for a place when max_concurrency is reached',
});
const unpricedModels = z.enum(['allow', 'refuse', 'ceiling']).meta({
  description:
    'What becomes of a call for a model without a price: it is allowed and costs nothing, refused, or costs the ceiling_prices',
});
const ceilingPrices = TokenPricesInput.nullable().meta({
  description: 'What a call for a model without a price costs; needed when unpriced_models is ceiling',
});
/** What is said of a group whose policy needs them. */
export const CEILING_MISSING = 'must be given when unpriced_models is ceiling';

export const CreateGroup = z
  .strictObject({
    name: Name,
    description: description.default(''),
    models: models.default([]),
    on_client_left: onClientLeft.default('cancel'),
    encrypted_content_on_move: encryptedContentOnMove.default('strip'),
    compaction_output: compactionOutput.default('both'),
    automatic_compaction: automaticCompaction.default(false),
    ...noLimits,
    model_limits: modelLimits.default([]),
    windows: planWindows.default([]),
    time_zone: timeZone.default('UTC'),
    limit_message: limitMessage.default(''),
    queue_wait_ms: queueWaitMs.default(10_000),
    price_multiplier: PriceMultiplier.default('1'),
    unpriced_models: unpricedModels.default('allow'),
    ceiling_prices: ceilingPrices.default(null),
    body_policy: BodyPolicy.prefault({ capture: 'never' }),
    redact: Redaction.prefault({}),
  })
  .refine(({ unpriced_models: policy, ceiling_prices: prices }) => policy !== 'ceiling' || prices !== null, {
    error: CEILING_MISSING,
    path: ['ceiling_prices'],
  })
  .meta({ id: 'CreateGroup' });
export type CreateGroup = z.infer<typeof CreateGroup>;

export const UpdateGroup = z
  .strictObject({
    name: Name,
    description,
    models,
    on_client_left: onClientLeft,
    encrypted_content_on_move: encryptedContentOnMove,
    compaction_output: compactionOutput,
    automatic_compaction: automaticCompaction,
    ...limitFields,
    model_limits: modelLimits,
    windows: planWindows,
    time_zone: timeZone,
    limit_message: limitMessage,
    queue_wait_ms: queueWaitMs,
    price_multiplier: PriceMultiplier,
    unpriced_models: unpricedModels,
    ceiling_prices: ceilingPrices,
    body_policy: BodyPolicy,
    redact: Redaction,
  })
  .partial()
  .meta({ id: 'UpdateGroup' });
export type UpdateGroup = z.infer<typeof UpdateGroup>;

export const Group = z
  .object({
    id: z.string(),
    name: z.string(),
    description: z.string(),
    models: z.array(z.string()),
    on_client_left: onClientLeft,
    encrypted_content_on_move: encryptedContentOnMove,
    compaction_output: compactionOutput,
    automatic_compaction: automaticCompaction,
    ...limitFields,
    model_limits: modelLimits,
    windows: planWindows,
    time_zone: z.string(),
    limit_message: z.string(),
    queue_wait_ms: z.int(),
    price_multiplier: z.string(),
    unpriced_models: unpricedModels,
    ceiling_prices: Prices.nullable(),
    body_policy: BodyPolicy,
    redact: Redaction,
    managed_by: ManagedBy,
    key_count: z.int(),
    created_at: z.string(),
    updated_at: z.string(),
  })
  .meta({ id: 'Group' });
export type Group = z.infer<typeof Group>;

export const GroupList = pageOf(Group).meta({ id: 'GroupList' });

export const GroupCheckQuery = z.strictObject({ model: ModelName.meta({ description: 'Model name to ask about' }) });
export type GroupCheckQuery = z.infer<typeof GroupCheckQuery>;

export const GroupCheck = z
  .object({
    model: z.string(),
    allowed: z.boolean(),
    matched_pattern: z.string().nullable().meta({ description: 'The pattern that allows the model' }),
    canonical_model: z.string().meta({ description: 'What the name stands for, if it is an alias' }),
    upstreams: z.array(z.string()).meta({ description: 'Upstreams that would be tried, in order' }),
    explanation: z.string(),
  })
  .meta({ id: 'GroupCheck' });
export type GroupCheck = z.infer<typeof GroupCheck>;
