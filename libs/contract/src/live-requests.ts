import { z } from 'zod';
import { idOf } from './ids.js';
import { pageOf } from './page.js';
import { RequestFilters } from './request-filters.js';

export const OpenRequest = z
  .object({
    id: z.string().meta({ description: 'The client sees it as x-request-id' }),
    started_at: z.string(),
    age_ms: z.int(),
    phase: z.enum(['preparing', 'waiting_for_turn', 'waiting_for_upstream', 'answering', 'draining']).meta({
      description:
        'preparing: its body is read, checked or made shorter; waiting_for_turn: calls of its key or group have to end first; draining: the client has left, the upstream is read on',
    }),
    key_id: z.string().nullable(),
    key_name: z.string().nullable(),
    group_id: z.string().nullable(),
    group_name: z.string().nullable(),
    model: z.string().nullable(),
    upstream_id: z.string().nullable().meta({ description: 'Of the attempt that is under way' }),
    upstream_name: z.string().nullable(),
    attempts: z.int().meta({ description: 'Upstreams that have been asked, this one included' }),
    route: z.string(),
    kind: z.string(),
    stream: z.boolean(),
    response_bytes: z.int().meta({ description: 'Sent to the client until now' }),
    session_id: z.string().nullable(),
    client: z.string().nullable(),
    client_ip: z.string().nullable(),
    replica: z.string().meta({ description: 'The replica that serves it' }),
  })
  .meta({ id: 'OpenRequest' });
export type OpenRequest = z.infer<typeof OpenRequest>;

export const OpenRequestList = pageOf(OpenRequest)
  .extend({
    silent_replicas: z.int().nullable().meta({
      description:
        'Replicas that did not answer within a second: their requests are missing; null: none could be asked',
    }),
  })
  .meta({ id: 'OpenRequestList' });
export type OpenRequestList = z.infer<typeof OpenRequestList>;

export const LiveRequestsQuery = RequestFilters.extend({
  after: idOf('request')
    .optional()
    .meta({ description: 'Begin with what has ended since this request; the header Last-Event-ID comes before it' }),
});
export type LiveRequestsQuery = z.infer<typeof LiveRequestsQuery>;

/** What a live tail says where events are missing. */
export const LiveGap = z
  .object({
    missing: z.int().nullable().meta({ description: 'How many events; null: not known' }),
    reason: z.enum(['too_many_missed', 'not_heard']).meta({
      description:
        'too_many_missed: more than 1 000 since the last event; not_heard: PostgreSQL or another replica was away',
    }),
  })
  .meta({ id: 'LiveGap' });
export type LiveGap = z.infer<typeof LiveGap>;
