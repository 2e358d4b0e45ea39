import { z } from 'zod';
import { anyOf, anyOrNone } from './any-of.js';
import { CACHE_DROP_CAUSES } from './cache-health.js';
import { text, Timestamp } from './fields.js';
import { idOf } from './ids.js';

export const OUTCOMES = [
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
  'aborted',
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

export const SETTLEMENTS = ['open', 'final', 'partial', 'estimated', 'missing', 'unpriced', 'interrupted'] as const;

const USAGE_SOURCES = ['none', 'terminal_event', 'response_body', 'estimate'] as const;

const oneOf = <const Name extends string>(names: readonly Name[]) =>
  z.enum(names, { error: `must be one of ${names.join(', ')}` });

const Status = z
  .string()
  .regex(/^([1-5]\d\d|[1-5]xx)$/, 'must be a status such as 429, or a class such as 4xx')
  .meta({ examples: ['429', '5xx'] });

const ADDRESSES = z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()]);
const Network = z.string().refine((address) => ADDRESSES.safeParse(address).success, {
  error: 'must be an IP address, or a network such as 10.0.0.0/8',
});

const FIELDS = {
  status: anyOf(Status, 'A status such as 429, or a class such as 5xx'),
  outcome: anyOf(oneOf(OUTCOMES), 'How it ended'),
  kind: anyOf(oneOf(KINDS), 'What was asked for, such as compaction'),
  key: anyOrNone(idOf('key'), 'Id of a key'),
  group: anyOrNone(idOf('group'), 'Id of a group'),
  model: anyOrNone(text().max(256), 'As the client asked for it'),
  served_model: anyOrNone(text().max(256), 'As the upstream said it'),
  upstream: anyOrNone(idOf('upstream'), 'Id of an upstream'),
  session: anyOrNone(text().max(128), 'Id of a session'),
  client: anyOrNone(text().max(128), 'A client with its version, or its name alone for all versions'),
  client_ip: anyOrNone(Network, 'An address, or a network such as 10.0.0.0/8'),
  route: anyOf(text().max(256), 'Method and path, such as POST /v1/responses'),
  stream: anyOf(oneOf(['true', 'false']), 'Whether a stream was asked for'),
  settlement: anyOf(oneOf(SETTLEMENTS), 'How far the usage is known'),
  usage_source: anyOf(oneOf(USAGE_SOURCES), 'Where the usage was read'),
  service_tier: anyOrNone(text().max(64), 'As the answer names it, else as it was asked for'),
  error_code: anyOrNone(text().max(128), 'Code of an error'),
  response_id: anyOrNone(text().max(256), 'Id of a response'),
  client_request_id: anyOrNone(text().max(128), 'What the client sent as x-client-request-id'),
  upstream_request_id: anyOrNone(text().max(256), "The upstream's own x-request-id"),
  cache_drop: anyOrNone(oneOf(CACHE_DROP_CAUSES), 'Why it lost the prompt cache'),
};
export type RequestField = keyof typeof FIELDS;
export const REQUEST_FIELDS = Object.keys(FIELDS) as RequestField[];

type Excluded = { [Field in RequestField as `exclude_${Field}`]: (typeof FIELDS)[Field] };
const EXCLUDED = Object.fromEntries(
  Object.entries(FIELDS).map(([field, values]) => [
    `exclude_${field}`,
    values.meta({ ...values.meta(), description: `Without those that ${field} would find` }),
  ]),
) as unknown as Excluded;

const Amount = z.preprocess(
  (given) => (given === '' ? undefined : Number(given)),
  z.number({ error: 'must be a number' }).min(0).max(1e15),
);
const Money = z
  .string()
  .regex(/^\d{1,9}(\.\d{1,9})?$/, 'must be a decimal number in USD, such as 0.25')
  .meta({ examples: ['0.25'] });

const amounts = <Name extends string>(name: Name) =>
  ({
    [`${name}_min`]: Amount.optional().meta({ description: 'At least' }),
    [`${name}_max`]: Amount.optional().meta({ description: 'At most' }),
  }) as { [Bound in `${Name}_min` | `${Name}_max`]: z.ZodOptional<typeof Amount> };

/** What is counted or measured in a request, but for its cost. */
export const REQUEST_AMOUNTS = [
  'first_byte_ms',
  'duration_ms',
  'input_tokens',
  'cached_tokens',
  'output_tokens',
  'reasoning_tokens',
  'total_tokens',
  'attempts',
  'request_bytes',
  'response_bytes',
] as const;
export type RequestAmount = (typeof REQUEST_AMOUNTS)[number];

const RANGES = {
  ...amounts('first_byte_ms'),
  ...amounts('duration_ms'),
  cost_usd_min: Money.optional().meta({ description: 'At least' }),
  cost_usd_max: Money.optional().meta({ description: 'At most' }),
  ...amounts('input_tokens'),
  ...amounts('cached_tokens'),
  ...amounts('output_tokens'),
  ...amounts('reasoning_tokens'),
  ...amounts('total_tokens'),
  ...amounts('attempts'),
  ...amounts('request_bytes'),
  ...amounts('response_bytes'),
};

/** Everything by which requests can be told apart. Filters of different names must all hold. */
export const RequestFilters = z.strictObject({
  from: Timestamp.optional().meta({ description: 'Started at or after' }),
  to: Timestamp.optional().meta({ description: 'Started before' }),
  id: z
    .string()
    .trim()
    .toLowerCase()
    .regex(/^(req_)?[0-9a-f]{1,32}$/, 'must be the id of a request, or how it begins, such as req_0193ab')
    .optional()
    .meta({ description: 'An id of a request, or how it begins; with or without req_' }),
  error_text: text()
    .min(1, 'must not be empty')
    .max(200)
    .optional()
    .meta({ description: 'Stands in the code or the message of the error, in upper or lower case' }),
  ...FIELDS,
  ...EXCLUDED,
  ...RANGES,
});
export type RequestFilters = z.infer<typeof RequestFilters>;
