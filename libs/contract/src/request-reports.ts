import { z } from 'zod';
import { REQUEST_FIELDS, type RequestField, RequestFilters } from './request-filters.js';

const BUCKETS_MAX = 400;
const FACETS_MAX = 12;
const FACET_VALUES_MAX = 100;
const FACETS_DEFAULT: readonly RequestField[] = ['outcome', 'model', 'key', 'group', 'upstream'];

const whole = (max: number) =>
  z.coerce
    .number({ error: 'must be a whole number' })
    .int('must be a whole number')
    .min(1, 'must be at least 1')
    .max(max, `must be at most ${max}`);

const RANGE = {
  from: RequestFilters.shape.from.meta({ description: 'Started at or after; default: 24 hours before to' }),
  to: RequestFilters.shape.to.meta({ description: 'Started before; default: now' }),
};

export const RequestHistogramQuery = RequestFilters.extend({
  ...RANGE,
  buckets: whole(BUCKETS_MAX).optional().meta({ description: 'How many; default: 60' }),
  interval_seconds: whole(31 * 86_400)
    .optional()
    .meta({ description: 'In place of buckets: how long each is. They begin at multiples of it in UTC, 400 at most' }),
}).refine(({ buckets, interval_seconds: seconds }) => buckets === undefined || seconds === undefined, {
  error: 'must not be given together with buckets',
  path: ['interval_seconds'],
});
export type RequestHistogramQuery = z.infer<typeof RequestHistogramQuery>;

const Bucket = z.object({
  start: z.string(),
  end: z.string(),
  requests: z.int(),
  ok: z.int(),
  client_error: z.int().meta({ description: 'client_error, unauthenticated and forbidden' }),
  limited: z.int(),
  upstream_error: z.int().meta({ description: 'upstream_error, upstream_broke_off and timeout' }),
  gateway_error: z.int().meta({ description: 'gateway_error, gateway_crash and aborted' }),
  client_left: z.int(),
  duration_p50_ms: z.number().nullable().meta({ description: 'null: there was no request' }),
  duration_p95_ms: z.number().nullable(),
});

export const RequestHistogram = z
  .object({ data: z.array(Bucket).meta({ description: 'Without gaps, oldest first' }) })
  .meta({ id: 'RequestHistogram' });
export type RequestHistogram = z.infer<typeof RequestHistogram>;

export const RequestFacetsQuery = RequestFilters.extend({
  ...RANGE,
  fields: z
    .string()
    .default(FACETS_DEFAULT.join(','))
    .transform((list) => [...new Set(list.split(','))])
    .pipe(
      z
        .array(z.enum(REQUEST_FIELDS, { error: `must be a comma-separated list of ${REQUEST_FIELDS.join(', ')}` }))
        .max(FACETS_MAX, `must be at most ${FACETS_MAX}`),
    )
    .meta({ description: `Comma-separated, ${FACETS_MAX} at most: ${REQUEST_FIELDS.join(', ')}` }),
  limit: whole(FACET_VALUES_MAX).default(10).meta({ description: 'Values of each field' }),
});
export type RequestFacetsQuery = z.infer<typeof RequestFacetsQuery>;

const Facet = z.object({
  field: z.enum(REQUEST_FIELDS),
  values: z.array(
    z.object({
      value: z
        .string()
        .nullable()
        .meta({ description: 'As the filter of that name takes it; null: requests that have none' }),
      name: z.string().nullable().meta({ description: 'Of a key, a group or an upstream that still exists' }),
      requests: z.int(),
    }),
  ),
  other_requests: z.int().meta({ description: 'Requests with other values than those' }),
});

export const RequestFacets = z.object({ data: z.array(Facet) }).meta({ id: 'RequestFacets' });
export type RequestFacets = z.infer<typeof RequestFacets>;
