import { z } from 'zod';
import { CacheDrop } from './cache-health.js';
import { PageQuery, pageOf } from './page.js';
import { OUTCOMES, RequestFilters, SETTLEMENTS } from './request-filters.js';

/** What requests can be sorted by. */
const SORTS = [
  'started_at',
  'duration_ms',
  'first_byte_ms',
  'cost_usd',
  'input_tokens',
  'output_tokens',
  'total_tokens',
] as const;
export type RequestSort = (typeof SORTS)[number];

const SORTED_RANGE_MS_MAX = 7 * 86_400_000;

export const ListRequestsQuery = RequestFilters.extend(PageQuery.shape)
  .extend({
    sort: z
      .enum(SORTS, { error: `must be one of ${SORTS.join(', ')}` })
      .default('started_at')
      .meta({ description: 'By anything but started_at: from is needed, and at most 7 days before to (default: now)' }),
    order: z.enum(['desc', 'asc'], { error: 'must be desc or asc' }).default('desc'),
  })
  .refine(({ sort, from, to }) => sort === 'started_at' || isShort(from, to), {
    error: 'must be started_at, unless from and to are at most 7 days apart',
    path: ['sort'],
  });
export type ListRequestsQuery = z.infer<typeof ListRequestsQuery>;

function isShort(from: string | undefined, to: string | undefined): boolean {
  return from !== undefined && (to ? Date.parse(to) : Date.now()) - Date.parse(from) <= SORTED_RANGE_MS_MAX;
}

export const ExportRequestsQuery = RequestFilters.extend({
  format: z.enum(['csv', 'ndjson'], { error: 'must be csv or ndjson' }).default('csv'),
});
export type ExportRequestsQuery = z.infer<typeof ExportRequestsQuery>;

const text = z.string().nullable();
const count = z.int().nullable();
const ms = z.number().nullable();

const Connection = z
  .object({ dns_ms: ms, tcp_ms: ms, tls_ms: ms })
  .meta({ description: 'null in each: there was no such part, as with the name of an address' });

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
    settlement: z.enum(SETTLEMENTS),
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
          connection: Connection.nullable().meta({
            description: 'Of a connection that was made for it; null: it had one',
          }),
          sent_ms: ms.meta({ description: 'When the request began to go out; null: it never did' }),
          first_byte_ms: ms.meta({ description: 'When the head of the answer came' }),
          duration_ms: z.number(),
          headers: z.record(z.string(), z.string()).meta({
            description: 'Of a good answer those that tell of the provider; of another all, secrets struck out',
          }),
        }),
      )
      .meta({ description: 'Every try of an upstream, in order' }),
    keep_alives: z.int().meta({ description: 'What the gateway wrote into the stream to keep it open' }),
    client_left_action: z.enum(['cancelled', 'drained', 'drain_capped']).nullable(),
    last_event: text.meta({ description: 'Type of the last event of a stream that did not reach its end' }),
    compaction: Compaction.nullable().meta({ description: 'Of a compaction, and of a response that needed one' }),
    cache_drop: CacheDrop.nullable().meta({
      description: 'Of a turn that read less from the prompt cache than its warm session gave reason to expect',
    }),
    decision: z.json().nullable().meta({ description: 'Of a refused request: the checks that led to it' }),
  })
  .meta({ id: 'Request' });
export type Request = z.infer<typeof Request>;

export const RequestDetail = Request.extend({
  has_body: z.boolean().meta({ description: 'Whether what it said is stored: /requests/{id}/body' }),
}).meta({ id: 'RequestDetail' });
export type RequestDetail = z.infer<typeof RequestDetail>;

export const RequestList = pageOf(Request).meta({ id: 'RequestList' });
