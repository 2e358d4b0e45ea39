import type { RequestAmount, RequestField } from '@app/contract';
import { Prisma } from '@app/database';
import { timeOfId } from '@app/runtime';
import type { RequestRow } from './request-row.js';

/** What to look for; every member narrows. */
export interface RequestFilter {
  /** Any of a field's values will do; an empty one stands for a request that has none. Ids are UUIDs. */
  readonly only: Readonly<Partial<Record<RequestField, readonly string[]>>>;
  /** What `only` would find is left out. */
  readonly except: Readonly<Partial<Record<RequestField, readonly string[]>>>;
  /** Inclusive. */
  readonly ranges: Readonly<Partial<Record<RequestAmount | 'cost_nano_usd', Range>>>;
  /** How the id begins: hex digits. */
  readonly idPrefix: string | null;
  /** Stands in the error's code or message, in upper or lower case. */
  readonly errorText: string | null;
  /** Started at or after. */
  readonly from: Date | null;
  /** Started before. */
  readonly to: Date | null;
  /** Of these keys, whatever else is asked for: whoever asks may see no others. null: he may see everything. */
  readonly ownKeys: readonly string[] | null;
}

export interface Range {
  readonly min?: number | bigint | undefined;
  readonly max?: number | bigint | undefined;
}

/** Finds everything. */
export const EVERY_REQUEST: RequestFilter = {
  only: {},
  except: {},
  ranges: {},
  idPrefix: null,
  errorText: null,
  from: null,
  to: null,
  ownKeys: null,
};

/** The columns behind the fields; `status`, `client` and `client_ip` have conditions of their own, a `cause` is a part of its column. */
export const FIELD_COLUMNS: Readonly<
  Record<RequestField, { column: keyof RequestRow; type: 'text' | 'uuid' | 'boolean' | 'status' | 'inet' | 'cause' }>
> = {
  status: { column: 'status', type: 'status' },
  outcome: { column: 'outcome', type: 'text' },
  kind: { column: 'kind', type: 'text' },
  key: { column: 'key_id', type: 'uuid' },
  group: { column: 'group_id', type: 'uuid' },
  model: { column: 'model', type: 'text' },
  served_model: { column: 'served_model', type: 'text' },
  upstream: { column: 'upstream_id', type: 'uuid' },
  session: { column: 'session_id', type: 'text' },
  client: { column: 'client', type: 'text' },
  client_ip: { column: 'client_ip', type: 'inet' },
  route: { column: 'route', type: 'text' },
  stream: { column: 'stream', type: 'boolean' },
  settlement: { column: 'settlement', type: 'text' },
  usage_source: { column: 'usage_source', type: 'text' },
  service_tier: { column: 'service_tier', type: 'text' },
  error_code: { column: 'error_code', type: 'text' },
  response_id: { column: 'response_id', type: 'text' },
  client_request_id: { column: 'client_request_id', type: 'text' },
  upstream_request_id: { column: 'upstream_request_id', type: 'text' },
  cache_drop: { column: 'cache_drop', type: 'cause' },
};

/** As the index request_log_failed_idx has it, to the letter: the planner uses it for nothing else. */
const FAILED = Prisma.sql`(outcome <> 'ok' OR status >= 400 OR error_code IS NOT NULL OR error_message IS NOT NULL)`;

/** Ids of others are found by an index of which the planner thinks too little. */
const INDEXED_IDS = ['response_id', 'client_request_id', 'upstream_request_id'] as const;

/** Whether a question with this filter is to be asked without scanning tables. */
export function looksUpId({ only }: RequestFilter): boolean {
  return INDEXED_IDS.some((field) => only[field]?.every((id) => id !== ''));
}

/** The column that holds a field. */
export function fieldColumn(field: RequestField): Prisma.Sql {
  return Prisma.raw(FIELD_COLUMNS[field].column);
}

/** The same as text; what is empty counts as missing. */
export function fieldText(field: RequestField): Prisma.Sql {
  const { column, type } = FIELD_COLUMNS[field];
  if (type === 'inet') return Prisma.raw(`host(${column})`);
  if (type === 'cause') return Prisma.raw(`(${column}->>'cause')`);
  return Prisma.raw(type === 'text' ? `nullif(${column}, '')` : `${column}::text`);
}

/** A WHERE clause; empty when everything is to be found. */
export function whereOf(filter: RequestFilter, ...further: readonly Prisma.Sql[]): Prisma.Sql {
  const conditions = [...conditionsOf(filter), ...further];
  return conditions.length > 0 ? Prisma.sql`WHERE ${Prisma.join(conditions, ' AND ')}` : Prisma.empty;
}

/** What must hold of a row of request_log. */
export function conditionsOf(filter: RequestFilter): Prisma.Sql[] {
  const { only, except, ranges, idPrefix, errorText, from, to, ownKeys } = filter;
  const conditions: Prisma.Sql[] = [];
  if (ownKeys) conditions.push(Prisma.sql`key_id = ANY(${ownKeys}::uuid[])`);
  if (from) conditions.push(Prisma.sql`started_at >= ${from}`);
  if (to) conditions.push(Prisma.sql`started_at < ${to}`);
  if (idPrefix !== null) conditions.push(...beginsWith(idPrefix));
  for (const [field, values] of fieldsOf(only)) conditions.push(isAny(field, values));
  for (const [field, values] of fieldsOf(except)) conditions.push(Prisma.sql`(${isAny(field, values)}) IS NOT TRUE`);
  for (const [amount, { min, max }] of Object.entries(ranges)) {
    const value = Prisma.raw(amount === 'total_tokens' ? '(input_tokens + output_tokens)' : amount);
    if (min !== undefined) conditions.push(Prisma.sql`${value} >= ${min}::numeric`);
    if (max !== undefined) conditions.push(Prisma.sql`${value} <= ${max}::numeric`);
  }
  if (errorText !== null) {
    const text = Prisma.sql`lower(${errorText})`;
    conditions.push(
      Prisma.sql`(position(${text} IN lower(error_code)) > 0 OR position(${text} IN lower(error_message)) > 0)`,
    );
  }
  if (findsFailedOnly(filter)) conditions.push(FAILED);
  return conditions;
}

function fieldsOf(fields: RequestFilter['only']): [RequestField, readonly string[]][] {
  return Object.entries(fields) as [RequestField, readonly string[]][];
}

function isAny(field: RequestField, values: readonly string[]): Prisma.Sql {
  const named = values.filter((value) => value !== '');
  const { column: name, type } = FIELD_COLUMNS[field];
  const column = Prisma.raw(name);
  const ways: Prisma.Sql[] = [];
  if (named.length < values.length) {
    ways.push(type === 'text' ? Prisma.sql`coalesce(${column}, '') = ''` : Prisma.sql`${column} IS NULL`);
  }
  if (type === 'status') ways.push(...named.map(hasStatus));
  else if (type === 'inet') ways.push(...named.map((network) => Prisma.sql`${column} <<= ${network}::inet`));
  else if (type === 'cause' && named.length > 0) ways.push(isOneOf(fieldText(field), Prisma.raw('text'), named));
  else if (named.length > 0) ways.push(isOneOf(column, Prisma.raw(type), named));
  const clients = field === 'client' ? named.filter((client) => !client.includes('/')) : [];
  if (clients.length > 0) ways.push(isOneOf(Prisma.sql`split_part(client, '/', 1)`, Prisma.raw('text'), clients));
  return ways.length === 1 && ways[0] ? ways[0] : Prisma.sql`(${Prisma.join(ways, ' OR ')})`;
}

/** One value is compared as such: only then can an index give the rows in order. */
function isOneOf(column: Prisma.Sql, type: Prisma.Sql, values: readonly string[]): Prisma.Sql {
  return values.length === 1
    ? Prisma.sql`${column} = ${values[0]}::${type}`
    : Prisma.sql`${column} = ANY(${values}::${type}[])`;
}

/** A class is a range, so that an index can tell it. */
function hasStatus(status: string): Prisma.Sql {
  const first = Number(status[0]) * 100;
  return status.endsWith('xx')
    ? Prisma.sql`(status >= ${first}::smallint AND status < ${first + 100}::smallint)`
    : Prisma.sql`status = ${Number(status)}::smallint`;
}

/** Ids begin with the time: what they can be is a range of both. */
function beginsWith(prefix: string): Prisma.Sql[] {
  const [first, last] = [uuidOf(prefix.padEnd(32, '0')), uuidOf(prefix.padEnd(32, 'f'))];
  return [
    Prisma.sql`started_at >= ${startOf(first)} AND started_at <= ${startOf(last)}`,
    Prisma.sql`id >= ${first}::uuid AND id <= ${last}::uuid`,
  ];
}

function uuidOf(digits: string): string {
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** When a request of this id started. An id that is made up may name a time that no calendar holds. */
export function startOf(id: string): Date {
  return new Date(Math.min(timeOfId(id), Date.UTC(9999, 0)));
}

/** Whether all that can be found is in the index of requests that failed. */
function findsFailedOnly({ only, except, errorText }: RequestFilter): boolean {
  const { status = [], outcome = [], error_code: codes = [] } = only;
  const all = (values: readonly string[], isFailure: (value: string) => boolean) =>
    values.length > 0 && values.every(isFailure);
  return (
    errorText !== null ||
    except.outcome?.includes('ok') === true ||
    all(status, (value) => value >= '4') ||
    all(outcome, (value) => value !== 'ok') ||
    all(codes, (value) => value !== '')
  );
}
