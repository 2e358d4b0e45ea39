import { z } from 'zod';
import { Name } from './fields.js';
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

export const CreateUpstream = z
  .strictObject({
    name: Name,
    kind: kind.default('openai'),
    base_url: baseUrl,
    credential: credential.default(null),
    priority: priority.default(100),
    weight: weight.default(1),
    enabled: enabled.default(true),
  })
  .meta({ id: 'CreateUpstream' });
export type CreateUpstream = z.infer<typeof CreateUpstream>;

export const UpdateUpstream = z
  .strictObject({ name: Name, kind, base_url: baseUrl, credential, priority, weight, enabled })
  .partial()
  .meta({ id: 'UpdateUpstream' });
export type UpdateUpstream = z.infer<typeof UpdateUpstream>;

export const Upstream = z
  .object({
    id: z.string(),
    name: z.string(),
    kind: z.string(),
    base_url: z.string(),
    credential_fingerprint: z.string().nullable(),
    priority: z.int(),
    weight: z.int(),
    enabled: z.boolean(),
    demo: z.boolean().meta({ description: 'The bundled simulator; it steps aside once another upstream exists' }),
    state: z.enum(['healthy', 'unreachable', 'disabled', 'standby']),
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
