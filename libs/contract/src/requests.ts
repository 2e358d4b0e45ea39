import { z } from 'zod';
import { text as storableText, Timestamp } from './fields.js';
import { idOf } from './ids.js';
import { PageQuery, pageOf } from './page.js';

const OUTCOMES = [
  'ok',
  'client_error',
  'unauthenticated',
  'forbidden',
  'limited',
  'upstream_error',
  'gateway_error',
  'client_left',
  'upstream_broke_off',
  'timeout',
  'gateway_crash',
] as const;

const KINDS = [
  'response',
  'compaction',
  'retrieve',
  'delete',
  'cancel',
  'input_items',
  'input_tokens',
  'models',
  'doctor',
  'usage',
  'websocket',
  'other',
] as const;

export const ListRequestsQuery = PageQuery.extend({
  key: idOf('key').optional(),
  group: idOf('group').optional(),
  model: storableText().max(256).optional().meta({ description: 'As the client asked for it' }),
  upstream: idOf('upstream').optional(),
  status: z
    .string()
    .regex(/^([1-5]\d\d|[1-5]xx)$/, 'must be a status such as 429, or a class such as 4xx')
    .optional(),
  outcome: z.enum(OUTCOMES).optional(),
  kind: z.enum(KINDS).optional().meta({ description: 'What was asked for, such as compaction' }),
  session: storableText().max(128).optional(),
  from: Timestamp.optional().meta({ description: 'Started at or after' }),
  to: Timestamp.optional().meta({ description: 'Started before' }),
});
export type ListRequestsQuery = z.infer<typeof ListRequestsQuery>;

const text = z.string().nullable();
const count = z.int().nullable();

const Compaction = z
  .object({
    form: z.enum(['endpoint', 'trigger', 'threshold', 'automatic', 'client']).meta({
      description:
        'How it was asked for: POST /responses/compact, a compaction_trigger item, context_management, by the policy of the group; client: the client asks for a summary by an ordinary call',
    }),
    by: z.enum(['upstream', 'gateway', 'client']).nullable().meta({ description: 'Who made it; null: nobody did' }),
    tokens_before: count.meta({ description: 'Estimated size of the conversation' }),
    tokens_after: count.meta({ description: 'Estimated size of what takes its place' }),
    ratio: z.number().nullable().meta({ description: 'tokens_after divided by tokens_before' }),
    items_before: count,
    items_after: count,
    chunks: count.meta({ description: 'Parts in which a conversation was read that is longer than the window' }),
    compaction_request: text.meta({ description: 'Of a response: the id of the compaction that it needed' }),
  })
  .meta({ id: 'Compaction' });

export const Request = z
  .object({
    id: z.string(),
    started_at: z.string(),
    key_id: text,
    key_name: text,
    group_id: text,
    group_name: text,
    model: text.meta({ description: 'As the client asked for it' }),
    served_model: text.meta({ description: 'As the upstream said it' }),
    upstream_id: text,
    upstream_name: text,
    route: z.string(),
    kind: z.string(),
    stream: z.boolean(),
    status: z.int().meta({ description: 'What the client got; 499 when it left before that' }),
    upstream_status: z.int().nullable(),
    outcome: z.enum(OUTCOMES),
    error_code: text,
    error_message: text,
    settlement: z.enum(['open', 'final', 'partial', 'estimated', 'missing', 'unpriced', 'interrupted']),
    usage_source: z.string(),
    usage_estimated: z.boolean(),
    input_tokens: count,
    cached_tokens: count,
    cache_write_tokens: count,
    output_tokens: count,
    reasoning_tokens: count,
    usage_anomaly: z.boolean().meta({
      description:
        'The upstream counted more cached or reasoning tokens than there were; they are charged up to their whole',
    }),
    service_tier: text.meta({ description: 'As the answer names it, else as it was asked for' }),
    cost_usd: text.meta({ description: 'null: unknown, or the model has no price' }),
    base_cost_usd: text.meta({ description: "Before the group's price_multiplier" }),
    price_multiplier: text,
    price_id: text.meta({ description: 'The version of the price' }),
    price_source: z.enum(['version', 'ceiling']).nullable().meta({
      description: "What the cost rests on: a version of the model's price, or the ceiling of the group; null: neither",
    }),
    priced_calls: count.meta({ description: 'How many calls were paid for: a compaction may take more than one' }),
    first_byte_ms: z.number().nullable(),
    duration_ms: z.number(),
    attempts: z.int(),
    session_id: text,
    client: text,
    client_ip: text,
    request_bytes: z.int(),
    response_bytes: z.int(),
    response_id: text,
    upstream_request_id: text,
    client_request_id: text,
    upstream_attempts: z
      .array(
        z.object({
          upstream_id: z.string(),
          upstream_name: z.string(),
          status: z.int().nullable(),
          problem: text,
          duration_ms: z.number(),
        }),
      )
      .meta({ description: 'Every try of an upstream, in order' }),
    keep_alives: z.int().meta({ description: 'What the gateway wrote into the stream to keep it open' }),
    client_left_action: z.enum(['cancelled', 'drained', 'drain_capped']).nullable(),
    last_event: text.meta({ description: 'Type of the last event of a stream that did not reach its end' }),
    compaction: Compaction.nullable().meta({ description: 'Of a compaction, and of a response that needed one' }),
    decision: z.json().nullable().meta({ description: 'Of a refused request: the checks that led to it' }),
  })
  .meta({ id: 'Request' });
export type Request = z.infer<typeof Request>;

export const RequestList = pageOf(Request).meta({ id: 'RequestList' });
