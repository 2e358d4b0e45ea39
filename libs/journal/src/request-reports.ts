import { Injectable } from '@nestjs/common';
import type { RequestField } from '@app/contract';
import { Prisma, QuestionPool } from '@app/database';
import { fieldColumn, fieldText, type RequestFilter, whereOf } from './request-filter.js';

/** Requests of one stretch of time, by how they ended. */
export interface HistogramBucket {
  start: Date;
  end: Date;
  requests: bigint;
  ok: bigint;
  client_error: bigint;
  limited: bigint;
  upstream_error: bigint;
  gateway_error: bigint;
  client_left: bigint;
  /** null when there was no request. */
  duration_p50_ms: number | null;
  duration_p95_ms: number | null;
}

/** The most frequent values of a field. */
export interface Facet {
  field: RequestField;
  values: FacetValue[];
  /** Requests with other values than those. */
  otherRequests: bigint;
}

export interface FacetValue {
  /** null: requests that have none. */
  value: string | null;
  /** Of a key, a group or an upstream that still exists. */
  name: string | null;
  requests: bigint;
}

export interface FacetRequest {
  readonly fields: readonly RequestField[];
  readonly valuesMax: number;
}

interface FacetRow {
  field: number;
  value: string | null;
  name: string | null;
  requests: bigint;
  all_requests: bigint;
}

/** Outcomes that an operator looks at as one. */
const CLASSES: Readonly<Record<string, readonly string[]>> = {
  ok: ['ok'],
  client_error: ['client_error', 'unauthenticated', 'forbidden'],
  limited: ['limited'],
  upstream_error: ['upstream_error', 'upstream_broke_off', 'timeout'],
  gateway_error: ['gateway_error', 'gateway_crash', 'aborted'],
  client_left: ['client_left'],
};
const COUNTS = Object.entries(CLASSES).map(
  ([name, outcomes]) =>
    `count(*) FILTER (WHERE outcome IN (${outcomes.map((outcome) => `'${outcome}'`).join(', ')})) AS ${name}`,
);

const NAMES: Readonly<Partial<Record<RequestField, string>>> = {
  key: 'api_keys',
  group: 'groups',
  upstream: 'upstreams',
};

/** Each has about as many values as there are rows: together with others, nothing would be counted at once. */
const COUNTED_ALONE: ReadonlySet<RequestField> = new Set([
  'session',
  'client_ip',
  'response_id',
  'client_request_id',
  'upstream_request_id',
]);

/** The request log's read side: counts rows, as they are at that moment. */
@Injectable()
export class RequestReports {
  constructor(private readonly questions: QuestionPool) {}

  /**
   * One bucket for each pair of neighbours in `edges`. Each is a question of its own to the index by time, which costs less than
   * to sort all rows into buckets, and gives percentiles for little more.
   */
  histogram(filter: RequestFilter, edges: readonly Date[]): Promise<HistogramBucket[]> {
    const [first, last] = [edges[0] ?? new Date(0), edges.at(-1) ?? new Date(0)];
    const starts = edges.slice(0, -1);
    const within = { ...filter, from: first, to: last };
    return this.questions.ask<HistogramBucket>(Prisma.sql`
      SELECT bucket.*, counted.*
      FROM unnest(${starts}::timestamptz[], ${edges.slice(1)}::timestamptz[]) AS bucket ("start", "end")
      CROSS JOIN LATERAL (
        SELECT count(*) AS requests, ${Prisma.raw(COUNTS.join(', '))},
          percentile_disc(0.5) WITHIN GROUP (ORDER BY duration_ms) AS duration_p50_ms,
          percentile_disc(0.95) WITHIN GROUP (ORDER BY duration_ms) AS duration_p95_ms
        FROM request_log
        ${whereOf(within, Prisma.sql`started_at >= bucket."start" AND started_at < bucket."end"`)}
      ) AS counted
      ORDER BY bucket."start"`);
  }

  /**
   * The most frequent values of each field among the requests that its own filter does not keep out: so that what else there is
   * to choose can be seen. Fields of few values without a filter of their own are counted in one pass.
   */
  async facets(filter: RequestFilter, { fields, valuesMax }: FacetRequest): Promise<Facet[]> {
    const isAlone = (field: RequestField) => field in filter.only || field in filter.except || COUNTED_ALONE.has(field);
    const passes = [fields.filter((field) => !isAlone(field)), ...fields.filter(isAlone).map((field) => [field])];
    const facets: Facet[] = [];
    for (const pass of passes) {
      if (pass.length > 0) facets.push(...(await this.count(withoutFilter(filter, pass), pass, valuesMax)));
    }
    return fields.flatMap((field) => facets.filter((facet) => facet.field === field));
  }

  /** First by all fields at once, which several processes can do, then what that leaves by each of them. */
  private async count(filter: RequestFilter, fields: readonly RequestField[], valuesMax: number): Promise<Facet[]> {
    const columns = Prisma.join(fields.map(fieldColumn));
    const texts = fields.map((field, index) => Prisma.sql`${fieldText(field)} AS ${columnName(index)}`);
    const sets = fields.map((_, index) => Prisma.sql`(${columnName(index)})`);
    const isSet = (index: number) => Prisma.sql`grouping(${columnName(index)}) = 0`;
    const choose = (of: (index: number) => Prisma.Sql) =>
      Prisma.sql`CASE ${Prisma.join(
        fields.map((_, index) => Prisma.sql`WHEN ${isSet(index)} THEN ${of(index)}`),
        ' ',
      )} END`;
    const rows = await this.questions.ask<FacetRow>(Prisma.sql`
      WITH counted AS (
        SELECT ${choose((index) => Prisma.raw(String(index)))} AS field, ${choose(columnName)} AS value,
          sum(rows)::bigint AS requests
        FROM (
          SELECT ${Prisma.join(texts)}, rows
          FROM (SELECT ${columns}, count(*) AS rows FROM request_log ${whereOf(filter)} GROUP BY ${columns}) AS found
        ) AS told
        GROUP BY GROUPING SETS (${Prisma.join(sets)})
      ), ranked AS (
        SELECT counted.*, sum(requests) OVER (PARTITION BY field)::bigint AS all_requests,
          row_number() OVER (PARTITION BY field ORDER BY requests DESC, value COLLATE "C") AS rank
        FROM counted
      )
      SELECT field, value, requests, all_requests, ${nameOf(fields)} AS name
      FROM ranked WHERE rank <= ${valuesMax} ORDER BY field, rank`);
    return fields.map((field, index) =>
      toFacet(
        field,
        rows.filter((row) => row.field === index),
      ),
    );
  }
}

function columnName(index: number): Prisma.Sql {
  return Prisma.raw(`value_${index}`);
}

function withoutFilter(filter: RequestFilter, fields: readonly RequestField[]): RequestFilter {
  const others = (given: RequestFilter['only']) =>
    Object.fromEntries(Object.entries(given).filter(([field]) => !fields.includes(field as RequestField)));
  return { ...filter, only: others(filter.only), except: others(filter.except) };
}

function nameOf(fields: readonly RequestField[]): Prisma.Sql {
  const named = fields.flatMap((field, index) => {
    const table = NAMES[field];
    return table === undefined
      ? []
      : [`WHEN field = ${index} THEN (SELECT name FROM ${table} WHERE ${table}.id = ranked.value::uuid)`];
  });
  return Prisma.raw(named.length > 0 ? `CASE ${named.join(' ')} END` : 'NULL::text');
}

function toFacet(field: RequestField, rows: readonly FacetRow[]): Facet {
  const values = rows.map(({ value, name, requests }) => ({ value, name, requests }));
  const shown = values.reduce((sum, { requests }) => sum + requests, 0n);
  return { field, values, otherRequests: (rows[0]?.all_requests ?? 0n) - shown };
}
