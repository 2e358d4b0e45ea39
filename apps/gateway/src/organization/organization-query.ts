import { GatewayError } from '@app/protocol';
import type { UsageDimension, UsageFilter } from '@app/usage';
import { invalidParameter, QueryParameters } from './query-parameters.js';

const DAY = { bucket: 'day', seconds: 86_400, limit: 7, limitMax: 31 } as const;
const WIDTHS = {
  '1m': { bucket: 'minute', seconds: 60, limit: 60, limitMax: 1440 },
  '1h': { bucket: 'hour', seconds: 3_600, limit: 24, limitMax: 168 },
  '1d': DAY,
} as const;
const COST_WIDTH = { ...DAY, limitMax: 180 };

type Width = (typeof WIDTHS)[keyof typeof WIDTHS] | typeof COST_WIDTH;

/** What a field of `group_by` is here; null: all requests have the same value. */
const COMPLETIONS_GROUPS = {
  project_id: 'group',
  user_id: 'owner',
  api_key_id: 'key',
  model: 'model',
  batch: null,
  service_tier: 'service_tier',
} as const;
const COSTS_GROUPS = { project_id: 'group', line_item: 'model', api_key_id: 'key' } as const;

const TIMES = ['start_time', 'end_time', 'bucket_width', 'group_by', 'limit', 'page'];
const COMPLETIONS_PARAMETERS = new Set([...TIMES, 'project_ids', 'user_ids', 'api_key_ids', 'models', 'batch']);
const COSTS_PARAMETERS = new Set([...TIMES, 'project_ids', 'api_key_ids']);

/** A question for one page; times in seconds since 1970. */
export interface OrganizationQuery {
  /** What was asked for in all: the first bucket begins, and the last one ends, with it. */
  readonly start: number;
  readonly end: number;
  readonly bucket: Width['bucket'];
  readonly bucketSeconds: number;
  /** What of it is on this page. */
  readonly pageStart: number;
  readonly pageEnd: number;
  /** Fields of `group_by`. */
  readonly groups: ReadonlySet<string>;
  readonly groupBy: readonly UsageDimension[];
  /** null: nothing can be found. */
  readonly filter: UsageFilter | null;
}

/** @throws GatewayError that names the parameter at fault */
export function readCompletionsQuery(url: string, nowMs: number): OrganizationQuery {
  const parameters = new QueryParameters(url, COMPLETIONS_PARAMETERS);
  const width = WIDTHS[parameters.oneOf('bucket_width', ['1m', '1h', '1d'], '1d')];
  const filter = {
    group: parameters.ids('project_ids', 'group'),
    owner: parameters.many('user_ids'),
    key: parameters.ids('api_key_ids', 'key'),
    model: parameters.many('models'),
  };
  // Batches are not served here.
  const isBatch = parameters.oneOf('batch', ['true', 'false', 'both'], 'both') === 'true';
  return {
    ...readTime(parameters, width, nowMs),
    ...readGroups(parameters, COMPLETIONS_GROUPS),
    filter: isBatch ? null : filter,
  };
}

/** @throws GatewayError that names the parameter at fault */
export function readCostsQuery(url: string, nowMs: number): OrganizationQuery {
  const parameters = new QueryParameters(url, COSTS_PARAMETERS);
  parameters.oneOf('bucket_width', ['1d'], '1d');
  const filter = { group: parameters.ids('project_ids', 'group'), key: parameters.ids('api_key_ids', 'key') };
  return { ...readTime(parameters, COST_WIDTH, nowMs), ...readGroups(parameters, COSTS_GROUPS), filter };
}

function readGroups<Field extends string>(
  parameters: QueryParameters,
  fields: Readonly<Record<Field, UsageDimension | null>>,
): Pick<OrganizationQuery, 'groups' | 'groupBy'> {
  const groups = parameters.listOf('group_by', Object.keys(fields) as Field[]);
  return { groups: new Set(groups), groupBy: groups.flatMap((field) => fields[field] ?? []) };
}

/** Without an end, all up to now: the last bucket is then a whole one, and there is one at least. */
function readTime(parameters: QueryParameters, { bucket, seconds, limit, limitMax }: Width, nowMs: number) {
  const start = parameters.time('start_time');
  if (start === undefined) {
    const message = "Missing required parameter: 'start_time'. Add it to the query, in seconds since 1970.";
    throw new GatewayError('missing_required_parameter', message, { param: 'start_time' });
  }
  const endAsked = parameters.time('end_time');
  if (endAsked !== undefined && endAsked <= start) throw invalidParameter('end_time', 'it must be after start_time');
  const end = endAsked ?? (Math.floor(Math.max(nowMs / 1000, start) / seconds) + 1) * seconds;
  const pageStart = readPage(parameters, start, end, seconds);
  const first = Math.floor(pageStart / seconds) * seconds;
  const buckets = parameters.integer('limit', 1, limitMax) ?? limit;
  const pageEnd = Math.min(end, first + buckets * seconds);
  return { start, end, bucket, bucketSeconds: seconds, pageStart, pageEnd };
}

function readPage(parameters: QueryParameters, start: number, end: number, seconds: number): number {
  const page = parameters.one('page');
  if (page === undefined) return start;
  const next = Number(/^page_(\d{1,12})$/.exec(page)?.[1] ?? NaN);
  if (next > start && next < end && next % seconds === 0) return next;
  throw invalidParameter('page', 'it must be the next_page of an answer to the same question');
}
