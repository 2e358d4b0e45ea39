import { randomInt } from 'node:crypto';
import OpenAI6 from 'openai';
import OpenAI7 from 'openai-7';
import type { Problem, Usage } from '../../libs/contract/src/index.js';
import { parseUsd } from '../../libs/models/src/index.js';
import { ADMIN_TOKEN, TestGateway } from '../support/gateway.js';
import { call } from '../support/responses-client.js';
import { addUsageRows, type UsageRow } from '../support/usage-rows.js';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const UNIT_MS = { minute: MINUTE_MS, hour: 60 * MINUTE_MS, day: DAY_MS };
const DIMENSIONS = ['key', 'group', 'model', 'upstream', 'error', 'client', 'owner', 'service_tier'] as const;
type Dimension = (typeof DIMENSIONS)[number];

let gateway: TestGateway;
let rows: UsageRow[];
let seededMs: number;

beforeAll(async () => {
  gateway = await TestGateway.start();
  rows = await addUsageRows(gateway, 1_200);
  seededMs = Date.now();
});
afterAll(() => gateway.stop());

/** What rows add up to by what `keyOf` says of them. */
function summed(of: readonly UsageRow[], keyOf: (row: UsageRow) => unknown[]): Map<string, number[]> {
  const sums = new Map<string, number[]>();
  for (const row of of) {
    const key = JSON.stringify(keyOf(row));
    const [requests = 0, errors = 0, input = 0, cached = 0, output = 0, nano = 0] = sums.get(key) ?? [];
    const { tokens } = row;
    sums.set(key, [
      requests + 1,
      errors + (row.error === null ? 0 : 1),
      input + tokens.input,
      cached + tokens.cached,
      output + tokens.output,
      nano + row.nanoUsd,
    ]);
  }
  return sums;
}

function told(data: Usage['data'], groupBy: readonly Dimension[]): Map<string, number[]> {
  const cell = (total: Usage['data'][number], dimension: Dimension) =>
    dimension === 'key' || dimension === 'group' || dimension === 'upstream'
      ? total[`${dimension}_id`]
      : total[dimension];
  return new Map(
    data.map((total) => [
      JSON.stringify([Date.parse(total.start), ...groupBy.map((dimension) => cell(total, dimension))]),
      [
        total.requests,
        total.errors,
        total.input_tokens,
        total.cached_tokens,
        total.output_tokens,
        Number(parseUsd(total.cost_usd)),
      ],
    ]),
  );
}

const byKey = (sums: Map<string, number[]>) => [...sums].toSorted(([a], [b]) => (a < b ? -1 : 1));
const within = (startMs: number, endMs: number) => rows.filter(({ atMs }) => atMs >= startMs && atMs < endMs);

async function usage(query: URLSearchParams | string): Promise<Usage['data']> {
  const answer = await gateway.admin.get(`/usage?${query}`);
  expect({ query: String(query), status: answer.status }).toEqual({ query: String(query), status: 200 });
  return (answer.body as Usage).data;
}

describe('usage of any time', () => {
  it('is the sum of its rows, whatever the bucket, what it is grouped by and what is left out', async () => {
    for (let round = 0; round < 60; round++) {
      const bucket = (['minute', 'hour', 'day', 'month', 'total'] as const)[round % 5] ?? 'total';
      const reachMs = bucket === 'minute' ? randomInt(5) * DAY_MS : randomInt(41) * DAY_MS;
      const lengthMs = bucket === 'minute' ? randomInt(2 * DAY_MS) : randomInt(45 * DAY_MS);
      const startMs = seededMs - reachMs - randomInt(2 * 3_600_000);
      const endMs = startMs + lengthMs;
      const groupBy = DIMENSIONS.filter(() => randomInt(3) === 0);
      const filters = DIMENSIONS.filter(() => randomInt(6) === 0).map((dimension) => ({
        dimension,
        values: [rows[randomInt(rows.length)], rows[randomInt(rows.length)]].map((row) => row?.[dimension] ?? null),
      }));
      const query = new URLSearchParams({ bucket, group_by: groupBy.join(',') });
      query.set('start', new Date(startMs).toISOString());
      query.set('end', new Date(endMs).toISOString());
      for (const { dimension, values } of filters) {
        for (const value of new Set(values)) query.append(dimension, value ?? '');
      }
      const own = within(startMs, endMs).filter((row) =>
        filters.every(({ dimension, values }) => values.includes(row[dimension])),
      );
      const startOf = (atMs: number) => {
        if (bucket === 'total') return startMs;
        if (bucket === 'month') return Date.parse(`${new Date(atMs).toISOString().slice(0, 7)}-01T00:00:00Z`);
        return Math.floor(atMs / UNIT_MS[bucket]) * UNIT_MS[bucket];
      };
      const expected = summed(own, (row) => [startOf(row.atMs), ...groupBy.map((dimension) => row[dimension])]);
      if (own.length === 0 && bucket === 'total' && groupBy.length === 0) {
        expected.set(JSON.stringify([startMs]), [0, 0, 0, 0, 0, 0]);
      }
      const answer = told(await usage(query), groupBy);
      expect({ query: String(query), totals: byKey(answer) }).toEqual({
        query: String(query),
        totals: byKey(expected),
      });
    }
  });

  it('is taken from the totals: rows of whole buckets are not read', async () => {
    const day = Math.floor(seededMs / DAY_MS) * DAY_MS;
    const query = `start=${new Date(day - 50 * DAY_MS).toISOString()}&end=${new Date(day).toISOString()}`;
    const before = await usage(query);
    await gateway.database.query('ALTER TABLE request_log RENAME TO request_log_away');
    await gateway.database.query('CREATE VIEW request_log AS SELECT * FROM request_log_away WHERE 1 / 0 = 1');
    try {
      expect(await usage(query)).toEqual(before);
      expect(await usage(`${query}&bucket=day&group_by=model,key,error,client`)).not.toEqual([]);
    } finally {
      await gateway.database.query('DROP VIEW request_log');
      await gateway.database.query('ALTER TABLE request_log_away RENAME TO request_log');
    }
  });

  it('is answered as CSV, in which no cell is a formula', async () => {
    const query = 'bucket=day&group_by=model,key';
    const data = await usage(query);
    const answer = await fetch(`${gateway.url}/admin/v1/usage?${query}&format=csv`, {
      headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
    });
    expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8');
    expect(answer.headers.get('content-disposition')).toMatch(/^attachment; filename="usage-[\d-]+\.csv"$/);
    const [head, ...lines] = (await answer.text()).trimEnd().split('\r\n');
    expect(head).toBe(
      'start,end,model,key_id,key_name,requests,errors,input_tokens,cached_tokens,cache_write_tokens,output_tokens,reasoning_tokens,cost_usd',
    );
    expect(lines).toHaveLength(data.length);
    const dear = data.findIndex(({ model }) => model?.startsWith('='));
    expect(lines[dear]).toContain(`,"'=HYPERLINK(""http://x"")",${data[dear]?.key_id ?? ''},`);
    expect(lines[dear]?.endsWith(`,${data[dear]?.cost_usd}`)).toBe(true);
  });

  it.each([
    ['start=2026-01-01T00:00:00Z&end=2026-01-04T00:00:00Z&bucket=minute', 'start'],
    ['start=2020-01-01T00:00:00Z&bucket=hour', 'start'],
    ['key=key_1', 'key'],
    ['group_by=colour', 'group_by.0'],
    ['format=xls', 'format'],
    ['start=2026-01-02T00:00:00Z&end=2026-01-01T00:00:00Z', 'end'],
  ])('is not told for %s', async (query, path) => {
    const answer = await gateway.admin.get(`/usage?${query}`);
    expect(answer.status).toBe(422);
    expect((answer.body as Problem).errors?.[0]?.path).toBe(path);
  });
});

const MAJORS: [string, typeof OpenAI6][] = [
  ['6', OpenAI6],
  // Of what is used here, both majors have the same types.
  ['7', OpenAI7 as unknown as typeof OpenAI6],
];
type Completions = OpenAI6.Admin.Organization.UsageCompletionsResponse.Data.OrganizationUsageCompletionsResult;
type Costs = OpenAI6.Admin.Organization.UsageCostsResponse.Data.OrganizationCostsResult;
/** Rows that no upstream was asked for, and that used something all the same, count as usage but as no request. */
const modelRequests = (of: readonly UsageRow[]) => of.filter(({ upstream }) => upstream !== null).length;
const total = (of: readonly number[]) => of.reduce((sum, value) => sum + value, 0);

describe.each(MAJORS)('OpenAI’s usage API by the openai SDK, major %s', (_, OpenAI) => {
  let client: OpenAI6;
  let organization: OpenAI6.Admin.Organization;
  beforeAll(() => {
    client = new OpenAI({
      apiKey: null as never,
      adminAPIKey: ADMIN_TOKEN,
      baseURL: `${gateway.url}/v1`,
      maxRetries: 0,
    });
    ({ organization } = client.admin);
  });
  const startOf = (days: number) => Math.floor(seededMs / 1000) - days * 86_400;

  it.each([
    ['1d', 40, 5],
    ['1h', 3, 20],
    ['1m', 0.05, 50],
  ] as const)('has the same usage on all its pages of buckets of %s as the rows', async (width, days, limit) => {
    const start = Math.round(startOf(days));
    const end = startOf(0) + 60;
    const query = { start_time: start, end_time: end, bucket_width: width, limit };
    const groups = ['project_id', 'api_key_id', 'user_id', 'model', 'service_tier', 'batch'] as const;
    const found: [number, Completions][] = [];
    const bounds: number[] = [];
    let page: string | null = null;
    let pages = 0;
    do {
      const answer: OpenAI6.Admin.Organization.UsageCompletionsResponse = await organization.usage.completions({
        ...query,
        group_by: [...groups],
        ...(page === null ? {} : { page }),
      });
      expect(answer.object).toBe('page');
      expect(answer.data.length).toBeLessThanOrEqual(limit);
      expect(answer.has_more).toBe(answer.next_page !== null);
      for (const bucket of answer.data) {
        bounds.push(bucket.start_time, bucket.end_time);
        for (const result of bucket.results as Completions[]) found.push([bucket.start_time, result]);
      }
      page = answer.next_page;
      pages++;
    } while (page !== null);
    expect(pages).toBeGreaterThan(1);
    // One behind the other, from the start to the end.
    expect([bounds[0], bounds.at(-1)]).toEqual([start, end]);
    for (let i = 2; i < bounds.length; i += 2) expect(bounds[i]).toBe(bounds[i - 1]);

    const seconds = { '1d': 86_400, '1h': 3_600, '1m': 60 }[width];
    const bucketOf = (atMs: number) => Math.max(start, Math.floor(atMs / 1000 / seconds) * seconds);
    const own = within(start * 1000, end * 1000).filter(
      ({ upstream, tokens, nanoUsd }) => upstream !== null || tokens.input + tokens.output + nanoUsd > 0,
    );
    const expected = new Map<string, UsageRow[]>();
    for (const row of own) {
      const key = JSON.stringify([bucketOf(row.atMs), row.group, row.key, row.owner, row.model, row.service_tier]);
      expected.set(key, [...(expected.get(key) ?? []), row]);
    }
    expect(found).toHaveLength(expected.size);
    for (const [at, result] of found) {
      const { project_id: group, api_key_id: key, user_id: owner, model, service_tier: tier } = result;
      const rowsOf = expected.get(JSON.stringify([at, group, key, owner, model, tier])) ?? [];
      expect(result).toEqual({
        object: 'organization.usage.completions.result',
        input_tokens: total(rowsOf.map(({ tokens }) => tokens.input)),
        input_cached_tokens: total(rowsOf.map(({ tokens }) => tokens.cached)),
        input_cache_write_tokens: 0,
        output_tokens: total(rowsOf.map(({ tokens }) => tokens.output)),
        input_audio_tokens: 0,
        output_audio_tokens: 0,
        num_model_requests: modelRequests(rowsOf),
        project_id: group,
        user_id: owner,
        api_key_id: key,
        model,
        batch: false,
        service_tier: tier,
      });
    }
  });

  it('has the same costs as the rows', async () => {
    const [start, end] = [startOf(40), startOf(0) + 60];
    const found: Costs[] = [];
    let page: string | null = null;
    do {
      const answer: OpenAI6.Admin.Organization.UsageCostsResponse = await organization.usage.costs({
        start_time: start,
        end_time: end,
        group_by: ['line_item', 'project_id'],
        ...(page === null ? {} : { page }),
      });
      expect(answer.data.length).toBeLessThanOrEqual(7);
      found.push(...answer.data.flatMap(({ results }) => results as Costs[]));
      page = answer.next_page;
    } while (page !== null);
    const nano = ({ amount }: Costs) => Math.round((amount?.value ?? 0) * 1e9);
    const own = within(start * 1000, end * 1000);
    expect(total(found.map(nano))).toBe(total(own.map(({ nanoUsd }) => nanoUsd)));
    const [first] = own;
    const sameItem = found.filter(
      (cost) => cost.line_item === first?.model && cost.project_id === first?.group && cost.amount?.currency === 'usd',
    );
    expect(total(sameItem.map(nano))).toBe(
      total(
        own
          .filter(({ model, group }) => model === first?.model && group === first?.group)
          .map(({ nanoUsd }) => nanoUsd),
      ),
    );
  });

  it('takes every filter', async () => {
    const [start, end] = [startOf(30), startOf(0) + 60];
    const inTime = within(start * 1000, end * 1000);
    const row = inTime.find(({ owner, model, upstream }) => owner !== null && model !== null && upstream !== null);
    const requests = async (filter: object) => {
      const answer = await organization.usage.completions({ start_time: start, end_time: end, limit: 31, ...filter });
      return total(
        answer.data.flatMap(({ results }) => (results as Completions[]).map((one) => one.num_model_requests)),
      );
    };
    const of = (isOwn: (row: UsageRow) => boolean) => modelRequests(inTime.filter(isOwn));
    expect(await requests({})).toBe(of(() => true));
    expect(await requests({ project_ids: [row?.group] })).toBe(of(({ group }) => group === row?.group));
    expect(await requests({ api_key_ids: [row?.key] })).toBe(of(({ key }) => key === row?.key));
    expect(await requests({ user_ids: ['ann', 'bob'] })).toBe(of(({ owner }) => owner === 'ann' || owner === 'bob'));
    expect(await requests({ models: [row?.model], user_ids: ['ann'] })).toBe(
      of(({ model, owner }) => model === row?.model && owner === 'ann'),
    );
    expect(await requests({ batch: true })).toBe(0);
    expect(await requests({ batch: false })).toBe(of(() => true));
  });

  it.each([
    ['1d', 7, 31],
    ['1h', 24, 168],
    ['1m', 60, 1440],
  ] as const)('gives as many buckets of %s as OpenAI: %i, and %i at most', async (width, preset, max) => {
    const query = { start_time: 86_400 * 20_000, end_time: 86_400 * 20_400, bucket_width: width };
    expect((await organization.usage.completions(query)).data).toHaveLength(preset);
    expect((await organization.usage.completions({ ...query, limit: max })).data).toHaveLength(max);
    await expect(organization.usage.completions({ ...query, limit: max + 1 })).rejects.toMatchObject({
      status: 400,
      param: 'limit',
    });
  });

  it('is refused to whoever has no admin token', async () => {
    const stranger = new OpenAI({
      apiKey: 'sk-tg-x',
      adminAPIKey: 'no-token',
      baseURL: `${gateway.url}/v1`,
      maxRetries: 0,
    });
    await expect(stranger.admin.organization.usage.costs({ start_time: 0 })).rejects.toMatchObject({
      status: 401,
      code: 'invalid_api_key',
      type: 'invalid_request_error',
    });
  });
});

describe('OpenAI’s usage API', () => {
  const get = (path: string) =>
    call(gateway.url, null, { method: 'GET', path: `/v1/organization/${path}`, secret: ADMIN_TOKEN });

  it.each([
    ['usage/completions', 'start_time', 'missing_required_parameter'],
    ['usage/completions?start_time=now', 'start_time', 'invalid_request'],
    ['usage/completions?start_time=9&end_time=9', 'end_time', 'invalid_request'],
    ['usage/completions?start_time=9&bucket_width=1w', 'bucket_width', 'invalid_request'],
    ['usage/completions?start_time=9&group_by=line_item', 'group_by', 'invalid_request'],
    ['usage/completions?start_time=9&page=page_11', 'page', 'invalid_request'],
    ['usage/completions?start_time=9&project_ids=proj_1', 'project_ids', 'invalid_request'],
    ['usage/completions?start_time=9&models=%00', 'models', 'invalid_request'],
    ['usage/completions?start_time=9&colour=red', 'colour', 'invalid_request'],
    ['costs?start_time=9&bucket_width=1h', 'bucket_width', 'invalid_request'],
    ['costs?start_time=9&limit=181', 'limit', 'invalid_request'],
    ['costs?start_time=9&user_ids=ann', 'user_ids', 'invalid_request'],
  ])('answers %s with what is wrong with %s', async (path, param, code) => {
    const { status, error, headers } = await get(path);
    expect({ status, error }).toEqual({
      status: 400,
      error: { message: expect.stringContaining(param), type: 'invalid_request_error', param, code },
    });
    expect(headers['content-type']).toBe('application/json');
    expect(headers['x-request-id']).toMatch(/^req_/);
  });

  it.each([
    'start_time=0&group_by=model&group_by=project_id',
    'start_time=0&group_by[]=model&group_by[]=project_id',
    'start_time=0&group_by[0]=model&group_by[1]=project_id',
    'start_time=0&group_by=model,project_id',
  ])('reads lists however they are written: %s', async (query) => {
    expect((await get(`usage/completions?${query}`)).status).toBe(200);
  });

  it('has no other routes, and leaves no row in the log', async () => {
    expect(await get('usage/embeddings?start_time=0')).toMatchObject({ status: 404, error: { param: null } });
    const rowsOf = await gateway.database.query(`SELECT id FROM request_log WHERE route LIKE '%organization%'`);
    expect(rowsOf).toEqual([]);
  });
});
