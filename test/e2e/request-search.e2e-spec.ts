import { parse as parseQuery } from 'node:querystring';
import fc from 'fast-check';
import pg from 'pg';
import {
  type Page,
  type Problem,
  type Request,
  type RequestFacets,
  RequestFilters,
  type RequestHistogram,
  type SessionDetail,
} from '../../libs/contract/src/index.js';
import { QuestionPool } from '../../libs/database/src/question-pool.js';
import { EVERY_REQUEST } from '../../libs/journal/src/request-filter.js';
import { requestMatch } from '../../libs/journal/src/request-match.js';
import { RequestSearch } from '../../libs/journal/src/request-search.js';
import { toRequestFilter } from '../../apps/gateway/src/admin/request-query.js';
import { toRequest } from '../../apps/gateway/src/admin/shown-request.js';
import { directive } from '../../apps/simulator/src/simulator.js';
import { ADMIN_TOKEN, type TestGateway } from '../support/gateway.js';
import { AMOUNTS, byAmount, byValues, clausesOver, FOUND_BY, queryOf } from '../support/request-clauses.js';
import { call, callBody } from '../support/responses-client.js';
import { type Scene, startScene } from '../support/scene.js';
import { seedRequests } from '../support/seeded-requests.js';

const ROWS_SEEDED = 400;
const SORTS = Object.keys(AMOUNTS).filter((name) => !/cached|reasoning|attempts|bytes/.test(name));

let scene: Scene;
let gateway: TestGateway;
/** All of the log, newest first. */
let rows: Request[];
let range: string;

beforeAll(async () => {
  scene = await startScene();
  ({ gateway } = scene);
  const { secret } = scene;
  const answers = [
    await call(gateway.url, callBody('hello', { prompt_cache_key: "it's, 100% mine\n" }), { secret }),
    await call(gateway.url, callBody(`hi ${directive({ reasoning: true })}`, { stream: false }), { secret }),
    await call(gateway.url, callBody('unauthenticated')),
    await call(gateway.url, null, { secret, path: '/v1/models', method: 'GET', headers: { 'user-agent': 'curl/8' } }),
  ];
  for (const { requestId } of answers) await gateway.row(requestId);
  await seedRequests(gateway.database, ROWS_SEEDED, 2, new Date(Date.now() - 60_000));
  // What clients may send, and what rows may lack.
  for (const [remainder, change] of [
    [1, `error_message = 'It said: 100% of_what "it''s" \\ worth', error_code = 'odd, code'`],
    [2, `model = '!a, b&c=d+e%20f', session_id = E'a,b\\nc'`],
    [3, `client = 'plain', client_ip = '2001:db8::17', service_tier = 'priority'`],
    [4, `key_id = NULL, group_id = NULL, model = '', client = NULL, client_ip = NULL, session_id = ''`],
  ] as const) {
    await gateway.database.query(
      `UPDATE request_log SET ${change} WHERE key_name LIKE 'laptop-%' AND abs(hashtext(id::text)) % 13 = ${remainder}`,
    );
  }
  rows = await listAll('');
  range = `from=${rows.at(-1)?.started_at}&to=${new Date(Date.now() + 60_000).toISOString()}`;
});
afterAll(() => scene.stop());

async function get<Body>(path: string): Promise<Body> {
  const answer = await gateway.admin.get(path);
  if (answer.status !== 200) throw new Error(`${path}: ${JSON.stringify(answer.body)}`);
  return answer.body as Body;
}

/** Every page of a list. */
async function listAll(query: string, limit = 200): Promise<Request[]> {
  const found: Request[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const behind: string = cursor === '' ? '' : `&cursor=${cursor}`;
    const page: Page<Request> = await get(`/requests?limit=${limit}&${query}${behind}`);
    found.push(...page.data);
    cursor = page.next_cursor;
  }
  return found;
}

const idsOf = (found: readonly Request[]) => found.map(({ id }) => id);
const { timeless, anyClause } = clausesOver(() => rows);
const question = (clause = anyClause) => fc.array(clause, { minLength: 1, maxLength: 3 }).map(queryOf);

describe('the request list', () => {
  it('holds every row once, newest first, and as many as the database', async () => {
    const [{ count }] = (await gateway.database.query('SELECT count(*)::int AS count FROM request_log')) as [
      { count: number },
    ];
    expect(rows).toHaveLength(count);
    expect(count).toBeGreaterThan(ROWS_SEEDED);
    expect(new Set(idsOf(rows)).size).toBe(count);
    expect(idsOf(rows)).toEqual(idsOf(rows.toSorted((a, b) => (a.id < b.id ? 1 : -1))));
    expect(await listAll('order=asc', 57)).toEqual(rows.toReversed());
  });

  it('finds by any filters what a filter over all rows finds', async () => {
    await fc.assert(
      fc.asyncProperty(question(), async ({ query, holds }) => {
        expect(idsOf(await listAll(query))).toEqual(idsOf(rows.filter(holds)));
      }),
      { numRuns: 100 },
    );
  });

  it('finds the same among rows in memory, as the live tail does', async () => {
    const questions = new QuestionPool(gateway.database.url);
    const logged = await new RequestSearch(questions).list(EVERY_REQUEST, {
      limit: rows.length,
      afterId: null,
      sort: 'started_at',
      isDescending: true,
    });
    await questions.onApplicationShutdown();
    expect(logged.map(toRequest)).toEqual(rows);
    fc.assert(
      fc.property(question(), ({ query, holds }) => {
        const matches = requestMatch(toRequestFilter(RequestFilters.parse(parseQuery(query)), null));
        expect(idsOf(logged.filter(matches).map(toRequest))).toEqual(idsOf(rows.filter(holds)));
      }),
      { numRuns: 300 },
    );
  });

  it.each(Object.keys(FOUND_BY))('is narrowed by %s, by what it lacks, and by what it must not be', async (field) => {
    for (const like of [rows[0], rows.find(({ key_id: key }) => key === null), rows.at(-1)] as Request[]) {
      for (const isExcluded of [true, false]) {
        const { query, holds } = queryOf([byValues(field, [like], isExcluded, 0)]);
        expect(idsOf(await listAll(query))).toEqual(idsOf(rows.filter(holds)));
      }
    }
  });

  it.each(SORTS)('is sorted by %s both ways, what has none last, in pages that hold every row once', async (sort) => {
    const valueOf = AMOUNTS[sort] as (row: Request) => number | null;
    for (const order of ['desc', 'asc'] as const) {
      const sign = order === 'desc' ? -1 : 1;
      const expected = rows.toSorted((a, b) => {
        const [one, other] = [valueOf(a), valueOf(b)];
        if (one !== other) return one === null ? 1 : other === null ? -1 : (one - other) * sign;
        return a.id < b.id ? -sign : sign;
      });
      expect(idsOf(await listAll(`${range}&sort=${sort}&order=${order}`, 150))).toEqual(idsOf(expected));
    }
  });
});

describe('a histogram', () => {
  it('counts what a filter over all rows finds, in buckets without gaps', async () => {
    const classes: Record<string, string[]> = {
      ok: ['ok'],
      client_error: ['client_error', 'unauthenticated', 'forbidden'],
      limited: ['limited'],
      upstream_error: ['upstream_error', 'upstream_broke_off', 'timeout'],
      gateway_error: ['gateway_error', 'gateway_crash', 'aborted'],
      client_left: ['client_left'],
    };
    const cuts = fc.constantFrom(
      'buckets=1',
      'buckets=7',
      'buckets=100',
      'interval_seconds=3600',
      'interval_seconds=86400',
    );
    await fc.assert(
      fc.asyncProperty(question(timeless), cuts, async ({ query, holds }, cut) => {
        const { data } = await get<RequestHistogram>(`/requests/histogram?${range}&${query}&${cut}`);
        const found = rows.filter(holds);
        expect(data.reduce((sum, { requests }) => sum + requests, 0)).toBe(found.length);
        data.forEach(({ start }, i) => expect(start).toBe(data[i - 1]?.end ?? start));
        for (const bucket of data) {
          const own = found.filter((row) => row.started_at >= bucket.start && row.started_at < bucket.end);
          expect(bucket.requests).toBe(own.length);
          for (const [name, outcomes] of Object.entries(classes)) {
            expect(bucket[name as 'ok']).toBe(own.filter(({ outcome }) => outcomes.includes(outcome)).length);
          }
          const durations = own.map((row) => row.duration_ms).sort((a, b) => a - b);
          const percentile = (share: number) => durations[Math.max(0, Math.ceil(share * durations.length) - 1)] ?? null;
          expect(bucket.duration_p50_ms).toBe(percentile(0.5));
          expect(bucket.duration_p95_ms).toBe(percentile(0.95));
        }
      }),
      { numRuns: 20 },
    );
  });

  it('has sixty buckets of the last day when nothing is said', async () => {
    const { data } = await get<RequestHistogram>('/requests/histogram');
    expect(data).toHaveLength(60);
    expect(Date.parse(data.at(-1)?.end ?? '') - Date.parse(data[0]?.start ?? '')).toBe(86_400_000);
  });
});

describe('facets', () => {
  const fields = Object.keys(FOUND_BY);

  it.each(fields)('of %s count its values among the rows that all other filters find', async (field) => {
    const others = fields.filter((name) => name !== field);
    const like = rows.filter((_, i) => i % 97 === 3);
    for (const clauses of [
      [],
      [byValues(field, like.slice(0, 1), false, 0)],
      [byValues(field, like.slice(0, 1), true, 0), byValues(others[like.length % others.length] ?? '', like, false, 0)],
      [byAmount('duration_ms', like[0] as Request, 'min'), byValues(field, like, false, 0)],
    ]) {
      const { query } = queryOf(clauses);
      const { holds } = queryOf(clauses.filter(({ parameters }) => !parameters.some(([name]) => name.endsWith(field))));
      const path = `/requests/facets?${range}&fields=${field},outcome&limit=4&${query}`;
      const [facet] = (await get<RequestFacets>(path)).data;
      const counts = new Map<string | null, number>();
      for (const row of rows.filter(holds)) {
        const value = FOUND_BY[field]?.(row)[0] || null;
        counts.set(value, (counts.get(value) ?? 0) + 1);
      }
      const byCount = [...counts].sort(([, a], [, b]) => b - a);
      const shown = byCount.slice(0, 4).map(([, requests]) => requests);
      expect(facet?.field).toBe(field);
      expect(facet?.values.map(({ requests }) => requests)).toEqual(shown);
      for (const { value, requests } of facet?.values ?? []) expect(counts.get(value)).toBe(requests);
      expect(facet?.other_requests).toBe(byCount.slice(4).reduce((sum, [, requests]) => sum + requests, 0));
    }
  });

  it('name what still has a name', async () => {
    const { key, group } = scene.issued;
    const { data } = await get<RequestFacets>(`/requests/facets?${range}&fields=key,group&key=${key.id}&limit=100`);
    expect(data[1]?.values).toEqual([{ value: group.id, name: group.name, requests: 3 }]);
    expect(data[0]?.values).toContainEqual({ value: key.id, name: key.name, requests: 3 });
  });
});

describe('a session', () => {
  it('is read by its id, whatever its client called it', async () => {
    for (const id of ["it's, 100% mine\n", 'a,b\nc']) {
      const detail = await get<SessionDetail>(`/sessions/${encodeURIComponent(id)}?limit=200`);
      expect(detail.session.id).toBe(id);
      expect(detail.data).toEqual(rows.filter(({ session_id: session }) => session === id).toReversed());
    }
  });
});

describe('a request as cURL', () => {
  it('is a command that makes such a request again', async () => {
    const [row] = rows.filter(({ session_id: session }) => session === "it's, 100% mine\n");
    const response = await fetch(`${gateway.url}/admin/v1/requests/${row?.id}/curl`, {
      headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
    });
    expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    const command = await response.text();
    expect(command).toContain(`curl --globoff --request 'POST' '${gateway.url}/v1/responses'`);
    expect(command).toContain('"Authorization: Bearer $TOLLGATE_API_KEY"');
    expect(command).toContain(String.raw`"prompt_cache_key":"it'\''s, 100% mine\n"`);
    expect((await gateway.admin.get(`/requests/req_${'0'.repeat(32)}/curl`)).status).toBe(404);
  });
});

describe('a question that cannot be answered in time', () => {
  it('is given up after five seconds, more at once than four before that, and model traffic does not notice', async () => {
    const blocker = new pg.Client({ connectionString: gateway.database.url });
    await blocker.connect();
    await blocker.query('BEGIN; LOCK TABLE request_log IN ACCESS EXCLUSIVE MODE');
    const asked = ['', '/histogram', '/facets', '/export', '?status=5xx', '?id=0'].map((path) =>
      gateway.admin.get(`/requests${path}`),
    );
    const answer = await call(gateway.url, callBody('meanwhile'), { secret: scene.secret });
    expect(answer.status).toBe(200);
    const problems = (await Promise.all(asked)).map(({ body }) => body as Problem);
    await blocker.end();
    const codes = problems.map(({ status, code }) => `${status} ${code}`).toSorted();
    expect(codes).toEqual([
      ...Array<string>(2).fill('503 too_many_questions'),
      ...Array<string>(4).fill('504 question_too_slow'),
    ]);
    expect(problems.find(({ status }) => status === 504)?.detail).toContain('a shorter time between from and to');
    expect(await gateway.row(answer.requestId)).toMatchObject({ outcome: 'ok' });
    expect((await gateway.admin.get('/requests')).status).toBe(200);
  });
});
