import { z } from 'zod';
import { text } from './fields.js';
import { idOf } from './ids.js';
import { PageQuery, pageOf } from './page.js';
import { Request } from './requests.js';

const VALUES_MAX = 50;

export const OpenRequest = z
  .object({
    id: z.string().meta({ description: 'The client sees it as x-request-id' }),
    started_at: z.string(),
    age_ms: z.int(),
    state: z.enum(['preparing', 'waiting_for_turn', 'waiting_for_upstream', 'answering', 'draining']).meta({
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

export const ListOpenRequestsQuery = PageQuery;
export const OpenRequestList = pageOf(OpenRequest).meta({ id: 'OpenRequestList' });

/** A filter that may be given more than once: any of its values will do. An error names the parameter, not its position. */
function anyOf(value: z.ZodType<string, string>, description: string) {
  return z
    .preprocess((given) => (Array.isArray(given) ? given : [given]), z.array(z.string()).max(VALUES_MAX))
    .transform((values, context) =>
      values.map((each) => {
        const { data, error } = value.safeParse(each);
        if (error) context.addIssue({ code: 'custom', message: error.issues[0]?.message ?? 'is not valid' });
        return data ?? '';
      }),
    )
    .optional()
    .meta({ description, items: z.toJSONSchema(value, { io: 'input', target: 'openapi-3.0' }) });
}

const Status = z.string().regex(/^([1-5]\d\d|[1-5]xx)$/, 'must be a status such as 429, or a class such as 4xx');

const Outcome = z.enum(Request.shape.outcome.options, {
  error: `must be one of ${Request.shape.outcome.options.join(', ')}`,
});

const FILTERS = {
  status: anyOf(Status, 'A status such as 429, or a class such as 5xx'),
  outcome: anyOf(Outcome, 'How it ended'),
  kind: anyOf(text().max(32), 'What was asked for, such as compaction'),
  key: anyOf(idOf('key'), 'Id of a key'),
  group: anyOf(idOf('group'), 'Id of a group'),
  model: anyOf(text().max(256), 'As the client asked for it'),
  upstream: anyOf(idOf('upstream'), 'Id of an upstream'),
  session: anyOf(text().max(128), 'Id of a session'),
  client: anyOf(text().max(128), 'A client with its version, or its name alone for all versions'),
  error_code: anyOf(text().max(128), 'Code of an error'),
};

/** By what requests are told apart as they end; values of one name: any of them, names: all of them. */
export type LiveField = keyof typeof FILTERS;
export const LIVE_FIELDS = Object.keys(FILTERS) as LiveField[];

export const LiveRequestsQuery = z.strictObject({
  ...FILTERS,
  include: z
    .enum(['started'], { error: 'must be started' })
    .optional()
    .meta({ description: 'started: requests of this replica that have begun, too' }),
  after: idOf('request')
    .optional()
    .meta({ description: 'Begin with what has ended since this request; the header Last-Event-ID comes before it' }),
});
export type LiveRequestsQuery = z.infer<typeof LiveRequestsQuery>;

/** What a live tail says where events are missing. */
export const LiveGap = z
  .object({
    dropped: z.int().nullable().meta({ description: 'How many events are missing; null: not known' }),
    reason: z.enum(['slow_reader', 'too_many_missed', 'not_heard']).meta({
      description:
        'slow_reader: they were not read fast enough; too_many_missed: more than 1 000 since the last event; not_heard: PostgreSQL or another replica was away',
    }),
  })
  .meta({ id: 'LiveGap' });
export type LiveGap = z.infer<typeof LiveGap>;
