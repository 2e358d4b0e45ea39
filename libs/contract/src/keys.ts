import { z } from 'zod';
import { BodyPolicy } from './bodies.js';
import { ManagedBy, ModelPattern, Name, text, Timestamp } from './fields.js';
import { idOf } from './ids.js';
import { limitFields, noLimits } from './limits.js';
import { PageQuery, pageOf } from './page.js';

const OVERLAP_SECONDS_MAX = 30 * 24 * 3600;

const owner = text().max(200).meta({ description: 'Who uses the key, e.g. a mail address' });
const models = z
  .array(ModelPattern)
  .min(1, 'must have an entry; leave it out or send null to allow all that the group may use')
  .max(500)
  .nullable()
  .meta({ description: "Narrows the group's models; null: all of them" });
const expiresAt = Timestamp.nullable().meta({ description: 'When the key stops working; null: never' });
const bodyPolicy = BodyPolicy.nullable().meta({ description: 'Whose bodies are stored; null: as the group has it' });

export const CreateKey = z
  .strictObject({
    name: Name,
    group_id: idOf('group'),
    owner: owner.default(''),
    models: models.default(null),
    expires_at: expiresAt.default(null),
    body_policy: bodyPolicy.default(null),
    ...noLimits,
  })
  .meta({ id: 'CreateKey' });
export type CreateKey = z.infer<typeof CreateKey>;

export const UpdateKey = z
  .strictObject({
    name: Name,
    group_id: idOf('group'),
    owner,
    models,
    expires_at: expiresAt,
    body_policy: bodyPolicy,
    ...limitFields,
  })
  .partial()
  .meta({ id: 'UpdateKey' });
export type UpdateKey = z.infer<typeof UpdateKey>;

export const RotateKey = z
  .strictObject({
    overlap_seconds: z
      .int()
      .min(0)
      .max(OVERLAP_SECONDS_MAX)
      .default(24 * 3600)
      .meta({ description: 'How long the secret until now stays valid' }),
  })
  .meta({ id: 'RotateKey' });
export type RotateKey = z.infer<typeof RotateKey>;

export const ListKeysQuery = PageQuery.extend({ group: idOf('group').optional() });
export type ListKeysQuery = z.infer<typeof ListKeysQuery>;

export const Key = z
  .object({
    id: z.string(),
    name: z.string(),
    group_id: z.string(),
    group_name: z.string(),
    owner: z.string(),
    models: z.array(z.string()).nullable(),
    body_policy: BodyPolicy.nullable(),
    ...limitFields,
    managed_by: ManagedBy,
    prefix: z.string(),
    last4: z.string(),
    status: z.enum(['active', 'revoked', 'expired']),
    previous_secret_expires_at: z.string().nullable(),
    expires_at: z.string().nullable(),
    revoked_at: z.string().nullable(),
    last_used_at: z.string().nullable(),
    created_at: z.string(),
    updated_at: z.string(),
  })
  .meta({ id: 'Key' });
export type Key = z.infer<typeof Key>;

export const IssuedKey = Key.extend({
  secret: z.string().meta({ description: 'The key itself. It is told this once: keep it now.' }),
}).meta({ id: 'IssuedKey' });
export type IssuedKey = z.infer<typeof IssuedKey>;

export const KeyList = pageOf(Key).meta({ id: 'KeyList' });
