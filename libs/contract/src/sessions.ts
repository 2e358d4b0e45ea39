import { z } from 'zod';
import { text as storableText, Timestamp } from './fields.js';
import { PageQuery, pageOf } from './page.js';
import { OUTCOMES, RequestFilters } from './request-filters.js';
import { CacheDrop } from './cache-health.js';
import { Request } from './requests.js';

const { key, group, model, client } = RequestFilters.shape;

export const ListSessionsQuery = PageQuery.extend({
  from: Timestamp.optional().meta({
    description: 'Counts requests that started at or after; default: 7 days before to',
  }),
  to: Timestamp.optional().meta({ description: 'Counts requests that started before; default: now' }),
  key,
  group,
  model,
  client,
});
export type ListSessionsQuery = z.infer<typeof ListSessionsQuery>;

export const SessionId = storableText().min(1).max(128).meta({ description: 'As the client named it' });

export const SessionQuery = PageQuery;
export type SessionQuery = PageQuery;

const text = z.string().nullable();

export const Session = z
  .object({
    id: z.string().meta({ description: 'As the client named it' }),
    first_at: z.string().meta({ description: 'Start of its first request' }),
    last_at: z.string().meta({ description: 'Start of its last request' }),
    last_request_id: z.string(),
    last_status: z.int(),
    last_outcome: z.enum(OUTCOMES),
    key_id: text.meta({ description: 'Of its last request, as is all that a session may have more than one of' }),
    key_name: text,
    group_id: text,
    group_name: text,
    client: text,
    keys: z.int().meta({ description: 'How many keys its requests were made with' }),
    models: z.array(z.string()).meta({ description: 'That were asked for' }),
    requests: z.int(),
    turns: z.int().meta({ description: 'Requests of kind response' }),
    compactions: z.int().meta({ description: 'Requests of kind compaction' }),
    cache_drops: z.int().meta({
      description: 'Turns that lost the prompt cache while the session was warm, but for those behind a compaction',
    }),
    errors: z.int().meta({ description: 'Requests whose outcome is neither ok nor client_left' }),
    active_ms: z.number().meta({ description: 'Durations of all its requests' }),
    input_tokens: z.int(),
    cached_tokens: z.int(),
    output_tokens: z.int(),
    reasoning_tokens: z.int(),
    cached_share: z.number().nullable().meta({ description: 'cached_tokens of input_tokens; null: there were none' }),
    cost_usd: z.string().meta({ description: 'Of requests that have a cost' }),
  })
  .meta({ id: 'Session' });
export type Session = z.infer<typeof Session>;

export const SessionList = pageOf(Session).meta({ id: 'SessionList' });

export const SessionDetail = pageOf(Request)
  .extend({ session: Session })
  .meta({ id: 'SessionDetail', description: 'A session and a page of its requests, oldest first' });
export type SessionDetail = z.infer<typeof SessionDetail>;

const Turn = z
  .object({
    request_id: z.string(),
    started_at: z.string(),
    model: text,
    upstream_id: text,
    upstream_name: text,
    outcome: z.enum(OUTCOMES),
    input_tokens: z.int().nullable(),
    cached_tokens: z.int().nullable(),
    cached_share: z.number().nullable().meta({ description: 'cached_tokens of input_tokens; null: there were none' }),
    cache_drop: CacheDrop.nullable(),
  })
  .meta({ id: 'Turn' });
export type Turn = z.infer<typeof Turn>;

export const TurnList = pageOf(Turn).meta({ id: 'TurnList' });
