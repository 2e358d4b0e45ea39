import { z } from 'zod';
import { ALERT_TYPES } from './alerts.js';
import { ManagedBy, Name, text } from './fields.js';
import { pageOf } from './page.js';

const OVERLAP_SECONDS_MAX = 30 * 86_400;

const url = text()
  .min(1, 'must not be empty')
  .max(2_048)
  .meta({ description: 'By the same rules as the URLs of upstreams' });
const types = z
  .array(z.enum(ALERT_TYPES, { error: `must be one of ${ALERT_TYPES.join(', ')}` }))
  .max(50)
  .meta({ description: 'Which alerts are sent; empty: all' });

export const CreateWebhook = z
  .strictObject({ name: Name, url, types: types.default([]), enabled: z.boolean().default(true) })
  .meta({ id: 'CreateWebhook' });
export type CreateWebhook = z.infer<typeof CreateWebhook>;

export const UpdateWebhook = z
  .strictObject({ name: Name, url, types, enabled: z.boolean() })
  .partial()
  .meta({ id: 'UpdateWebhook' });
export type UpdateWebhook = z.infer<typeof UpdateWebhook>;

export const RotateWebhook = z
  .strictObject({
    overlap_seconds: z.int().min(0).max(OVERLAP_SECONDS_MAX).default(86_400).meta({
      description: 'How long deliveries carry the signature of the old secret, too',
    }),
  })
  .meta({ id: 'RotateWebhook' });
export type RotateWebhook = z.infer<typeof RotateWebhook>;

export const Webhook = z
  .object({
    id: z.string(),
    name: z.string(),
    url: z.string(),
    types: z.array(z.string()),
    enabled: z.boolean(),
    managed_by: ManagedBy,
    disabled_reason: z.string().nullable().meta({ description: 'gone: its server answered 410' }),
    secret_fingerprint: z.string(),
    previous_secret_expires_at: z.string().nullable(),
    created_at: z.string(),
    updated_at: z.string(),
  })
  .meta({ id: 'Webhook' });
export type Webhook = z.infer<typeof Webhook>;

export const IssuedWebhook = Webhook.extend({
  secret: z.string().meta({ description: 'Signs the deliveries; told this once' }),
}).meta({ id: 'IssuedWebhook' });
export type IssuedWebhook = z.infer<typeof IssuedWebhook>;

export const WebhookList = pageOf(Webhook).meta({ id: 'WebhookList' });

export const WebhookDelivery = z
  .object({
    id: z.string(),
    alert_id: z.string().meta({ description: 'The webhook-id header of every attempt' }),
    alert_type: z.string(),
    state: z.enum(['pending', 'delivered', 'failed']),
    attempts: z.int(),
    next_attempt_at: z.string().nullable(),
    last_attempt_at: z.string().nullable(),
    last_status: z.int().nullable(),
    last_problem: z.string().nullable(),
    last_answer: z.string().nullable().meta({ description: 'The beginning of what was answered' }),
    created_at: z.string(),
  })
  .meta({ id: 'WebhookDelivery' });
export type WebhookDelivery = z.infer<typeof WebhookDelivery>;

export const WebhookDeliveryList = pageOf(WebhookDelivery).meta({ id: 'WebhookDeliveryList' });
