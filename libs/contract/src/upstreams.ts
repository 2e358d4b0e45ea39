import { z } from 'zod';
import { ManagedBy, Name, storableJson, text } from './fields.js';
import { pageOf } from './page.js';

const kind = z
  .enum(['openai', 'codex'])
  .meta({ description: '`codex`: keeps no responses, every call carries `store: false`' });
const baseUrl = z
  .string()
  .max(500)
  .meta({
    description: 'http(s) URL to which routes are appended; a bare host gets /v1',
    examples: ['https://api.openai.com/v1'],
  });
// A line break in a header value would be refused only when the first call is made.
const credential = z
  .string()
  .min(1)
  .max(10_000)
  .regex(/^[\x21-\x7E]+$/, 'must be printable ASCII without spaces')
  .nullable()
  .meta({ description: 'Sent as bearer token. Never shown again, only its fingerprint' });
const priority = z.int().min(0).max(1_000_000).meta({ description: 'Lower is tried first' });
const weight = z.int().min(0).max(1_000_000).meta({ description: 'Among equal priorities, higher is tried first' });
const enabled = z.boolean();
const maxConcurrency = z
  .int()
  .min(1)
  .max(1_000_000)
  .nullable()
  .meta({ description: 'Calls at the same time, per gateway process; null: no limit' });
const streamMode = z.enum(['both', 'stream_only', 'json_only']).meta({
  description:
    'How the upstream can answer. A call that asks for the other way is converted: events into one object, or an object into events',
});
const compaction = z.enum(['auto', 'native', 'emulate', 'refuse']).meta({
  description:
    'Whether it knows compaction. auto: it is asked, and what it answers is remembered for half an hour; native: what it answers counts; emulate: the gateway has its model write a summary; refuse: no compaction here',
});
/** Headers that the gateway itself is answerable for. */
const OWN_HEADERS =
  /^(?:authorization|host|connection|content-(?:length|type|encoding)|transfer-encoding|accept-encoding|expect|upgrade|te|trailer|keep-alive|proxy-.*|cookie)$/i;
const extraHeaders = z
  .record(
    z
      .string()
      .max(100)
      .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'must be a header name')
      .refine((name) => !OWN_HEADERS.test(name), { error: 'is set by the gateway itself' }),
    z
      .string()
      .max(4_000)
      .regex(/^[\x20-\x7E]*$/, 'must be printable ASCII'),
  )
  .refine((headers) => Object.keys(headers).length <= 30, { error: 'must have at most 30 entries' })
  .meta({ description: 'Headers added to each call. Never shown again, only their names' });
/** Fields on which the gateway's own work rests. */
const OWN_PARAMETERS = new Set(['model', 'input', 'stream', 'background', 'previous_response_id', 'conversation']);
const parameterOverrides = z
  .record(
    text()
      .max(100)
      .refine((name) => !OWN_PARAMETERS.has(name) && name !== '__proto__', { error: 'cannot be overridden' }),
    storableJson(),
  )
  .refine((fields) => JSON.stringify(fields).length <= 20_000, { error: 'must be at most 20000 bytes' })
  .meta({ description: 'Top-level fields of the body that are set in each call; null takes the field out' });
const timeoutMs = (what: string) => z.int().min(10).max(86_400_000).nullable().meta({ description: what });
const connectTimeoutMs = timeoutMs('Longest time to connect; null: 5000');
const headersTimeoutMs = timeoutMs('Longest wait for the head of an answer; null: 600000');
const idleTimeoutMs = timeoutMs('Longest silence inside an answer; null: 300000');
const totalTimeoutMs = timeoutMs('Longest duration of a whole answer; null: no limit');
const httpProxy = z
  .url({ protocol: /^https?$/, error: 'must be an http:// or https:// URL' })
  .max(500)
  .nullable()
  .meta({ description: 'HTTP proxy (CONNECT) between the gateway and the upstream. Shown without its password' });
const coolDownSecondsMax = z
  .int()
  .min(0)
  .max(86_400)
  .meta({ description: "Longest time for which the upstream's Retry-After is obeyed; 0: never" });
const probeIntervalSeconds = z
  .int()
  .min(1)
  .max(86_400)
  .nullable()
  .meta({ description: 'Seconds between active probes (GET /models); null: none, health is read off the calls' });

export const CreateUpstream = z
  .strictObject({
    name: Name,
    kind: kind.default('openai'),
    base_url: baseUrl,
    credential: credential.default(null),
    priority: priority.default(100),
    weight: weight.default(1),
    max_concurrency: maxConcurrency.default(null),
    stream_mode: streamMode.default('both'),
    extra_headers: extraHeaders.default({}),
    parameter_overrides: parameterOverrides.default({}),
    connect_timeout_ms: connectTimeoutMs.default(null),
    headers_timeout_ms: headersTimeoutMs.default(null),
    idle_timeout_ms: idleTimeoutMs.default(null),
    total_timeout_ms: totalTimeoutMs.default(null),
    http_proxy: httpProxy.default(null),
    cool_down_seconds_max: coolDownSecondsMax.default(60),
    probe_interval_seconds: probeIntervalSeconds.default(null),
    compaction: compaction.default('auto'),
    enabled: enabled.default(true),
  })
  .meta({ id: 'CreateUpstream' });
export type CreateUpstream = z.infer<typeof CreateUpstream>;

export const UpdateUpstream = z
  .strictObject({
    name: Name,
    kind,
    base_url: baseUrl,
    credential,
    priority,
    weight,
    max_concurrency: maxConcurrency,
    stream_mode: streamMode,
    extra_headers: extraHeaders,
    parameter_overrides: parameterOverrides,
    connect_timeout_ms: connectTimeoutMs,
    headers_timeout_ms: headersTimeoutMs,
    idle_timeout_ms: idleTimeoutMs,
    total_timeout_ms: totalTimeoutMs,
    http_proxy: httpProxy,
    cool_down_seconds_max: coolDownSecondsMax,
    probe_interval_seconds: probeIntervalSeconds,
    compaction,
    enabled,
  })
  .partial()
  .meta({ id: 'UpdateUpstream' });
export type UpdateUpstream = z.infer<typeof UpdateUpstream>;

const UPSTREAM_STATES = [
  'healthy',
  'open',
  'half_open',
  'cooling_down',
  'tripped',
  'disabled',
  'standby',
  'unusable',
] as const;

export const UpstreamHealth = z
  .object({
    circuit: z.enum(['closed', 'open', 'half_open']),
    tripped: z.boolean(),
    in_flight: z.int(),
    consecutive_failures: z.int(),
    opens_for_ms: z.int().nullable().meta({ description: 'Until the next trial; null while the circuit is not open' }),
    cools_down_for_ms: z.int().nullable(),
    last_problem: z.string().nullable(),
    last_problem_at: z.string().nullable(),
    last_success_at: z.string().nullable(),
  })
  .meta({ id: 'UpstreamHealth' });
export type UpstreamHealth = z.infer<typeof UpstreamHealth>;

export const Upstream = z
  .object({
    id: z.string(),
    name: z.string(),
    kind: z.string(),
    base_url: z.string(),
    credential_fingerprint: z.string().nullable(),
    priority: z.int(),
    weight: z.int(),
    max_concurrency: z.int().nullable(),
    stream_mode: z.string(),
    extra_header_names: z.array(z.string()),
    parameter_overrides: z.record(z.string(), z.json()),
    connect_timeout_ms: z.int().nullable(),
    headers_timeout_ms: z.int().nullable(),
    idle_timeout_ms: z.int().nullable(),
    total_timeout_ms: z.int().nullable(),
    http_proxy: z.string().nullable().meta({ description: 'Without its password' }),
    cool_down_seconds_max: z.int(),
    probe_interval_seconds: z.int().nullable(),
    compaction,
    enabled: z.boolean(),
    managed_by: ManagedBy,
    demo: z.boolean().meta({ description: 'The bundled simulator; it steps aside once another upstream exists' }),
    state: z.enum(UPSTREAM_STATES).meta({
      description:
        'healthy; open: its circuit is open, it is tried last; half_open: the next call is a trial; cooling_down: it asked for a pause; tripped: taken out by an operator; disabled; standby: a demo upstream that is not needed; unusable: its credential cannot be opened',
    }),
    circuit: z.enum(['closed', 'open', 'half_open']),
    health: UpstreamHealth.nullable().meta({
      description: 'As this gateway process sees it; null when it makes no calls',
    }),
    created_at: z.string(),
    updated_at: z.string(),
  })
  .meta({ id: 'Upstream' });
export type Upstream = z.infer<typeof Upstream>;

export const UpstreamList = pageOf(Upstream).meta({ id: 'UpstreamList' });

export const UpstreamProbe = z
  .object({
    ok: z.boolean(),
    status: z.int().nullable(),
    duration_ms: z.number(),
    problem: z.string().nullable(),
  })
  .meta({ id: 'UpstreamProbe' });
