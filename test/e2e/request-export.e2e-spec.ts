import { once } from 'node:events';
import { get as httpGet, type IncomingMessage } from 'node:http';
import pg from 'pg';
import type { Page, Request, Session, SessionDetail } from '../../libs/contract/src/index.js';
import type { QuestionPool } from '../../libs/database/src/index.js';
import { EVERY_REQUEST, type RequestFilter } from '../../libs/journal/src/request-filter.js';
import { RequestReports } from '../../libs/journal/src/request-reports.js';
import { RequestSearch } from '../../libs/journal/src/request-search.js';
import { ADMIN_TOKEN, TestGateway } from '../support/gateway.js';
import { seedRequests } from '../support/seeded-requests.js';

const ROWS = 16_000;
const DAYS = 2;
const BYTES_PER_ROW_MAX = 1_200;
/** So that there are a thousand pages. */
const PAGE_ROWS = 15;

let gateway: TestGateway;
let until: Date;
/** All of the log, newest first. */
let rows: Request[];

beforeAll(async () => {
  gateway = await TestGateway.start();
  until = new Date(Date.now() - 60_000);
  await seedRequests(gateway.database, ROWS, DAYS, until);
  await gateway.database.query(
    `UPDATE request_log SET error_message = '=HYPERLINK("http://x"),' || chr(10) || '@' WHERE outcome = 'timeout'`,
  );
  await gateway.database.query('VACUUM ANALYZE request_log');
  rows = (await text(await open('format=ndjson')))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Request);
});
afterAll(() => gateway.stop());

async function open(query: string): Promise<IncomingMessage> {
  const request = httpGet(`${gateway.url}/admin/v1/requests/export?${query}`, {
    headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
  });
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  return answer;
}

async function text(answer: IncomingMessage): Promise<string> {
  let all = '';
  for await (const chunk of answer.setEncoding('utf8')) all += chunk as string;
  return all;
}

const sum = <T>(of: readonly T[], value: (row: T) => number | null) =>
  of.reduce((total, row) => total + (value(row) ?? 0), 0);

describe('an export', () => {
  it('holds every row once, newest first, as the list shows it', async () => {
    expect(rows).toHaveLength(ROWS);
    expect(rows.map(({ id }) => id)).toEqual([...new Set(rows.map(({ id }) => id))].toSorted().toReversed());
    const page = (await gateway.admin.get('/requests?limit=200')).body as Page<Request>;
    expect(rows.slice(0, 200)).toEqual(page.data);
  });

  it('is narrowed by the filters of the list, over days on which there was nothing', async () => {
    await gateway.database.query(
      `INSERT INTO request_log (id, started_at, route, kind, stream, status, outcome, settlement, usage_source, duration_ms, attempts, request_bytes, response_bytes)
       VALUES ('00989680-0000-7000-8000-000000000000', to_timestamp(655360), 'x', 'other', false, 404, 'client_error', 'final', 'none', 1, 0, 0, 0)`,
    );
    const found = (await text(await open('format=ndjson&exclude_outcome=ok&exclude_status=429'))).trimEnd().split('\n');
    const expected = rows.filter(({ outcome, status }) => outcome !== 'ok' && status !== 429).map(({ id }) => id);
    expect(found.map((line) => (JSON.parse(line) as Request).id).slice(0, -1)).toEqual(expected);
    expect(JSON.parse(found.at(-1) ?? '')).toMatchObject({ route: 'x', status: 404 });
    await gateway.database.query(`DELETE FROM request_log WHERE route = 'x'`);
    expect(await text(await open('format=ndjson&model=none-such'))).toBe('');
  });

  it('is a file of CSV with a head, in which nothing is a formula', async () => {
    const answer = await open('outcome=timeout');
    expect(answer.headers).toMatchObject({
      'content-type': 'text/csv; charset=utf-8; header=present',
      'content-disposition': expect.stringMatching(/^attachment; filename="requests-\d{8}T\d{6}Z\.csv"$/) as string,
    });
    const csv = await text(answer);
    const [head = '', ...lines] = csv.split('\r\n');
    const [first] = rows;
    expect(head.split(',')).toEqual(Object.keys(first ?? {}));
    const timedOut = rows.filter(({ outcome }) => outcome === 'timeout');
    expect(timedOut.length).toBeGreaterThan(0);
    expect(lines).toHaveLength(timedOut.length + 1);
    timedOut.forEach((row, i) => {
      expect(lines[i]).toContain(`${row.id},${row.started_at},`);
      expect(lines[i]).toContain(`,"'=HYPERLINK(""http://x""),\n@",final,`);
      expect(lines[i]).toContain(`,${row.duration_ms},${row.attempts},${row.session_id},`);
    });
    const priced = rows.find(({ cost_usd: cost }) => cost !== null);
    expect(await text(await open(`id=${priced?.id}`))).toContain(`,${priced?.cost_usd},`);
  });

  it('is broken off, not ended, when the database fails on the way', async () => {
    const answer = await open('format=ndjson');
    const [begin] = (await once(answer, 'data')) as [Buffer];
    answer.pause();
    await gateway.database.query('ALTER TABLE request_log RENAME TO request_log_away');
    try {
      expect(begin.length).toBeGreaterThan(0);
      await expect(text(answer)).rejects.toThrow('aborted');
    } finally {
      await gateway.database.query('ALTER TABLE request_log_away RENAME TO request_log');
    }
  });
});

describe('sessions', () => {
  /** In the order of their first row. */
  function bySession(of: readonly Request[] = rows): Map<string, Request[]> {
    const sessions = new Map<string, Request[]>();
    for (const row of of) sessions.set(row.session_id ?? '', [...(sessions.get(row.session_id ?? '') ?? []), row]);
    return sessions;
  }

  it('are what their requests come to, last active first, in pages that hold each once', async () => {
    const found: Session[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const behind: string = cursor === '' ? '' : `&cursor=${cursor}`;
      const page = (await gateway.admin.get(`/sessions?limit=100${behind}`)).body as Page<Session>;
      found.push(...page.data);
      cursor = page.next_cursor;
    }
    const sessions = bySession();
    expect(found.map(({ id }) => id)).toEqual([...sessions.keys()]);
    for (const session of found) expect(session).toMatchObject(expectedOf(sessions.get(session.id) ?? []));
  });

  it('count only what the filters find', async () => {
    const [like] = rows.filter(({ key_id: key }) => key !== rows[0]?.key_id);
    const cut = rows[Math.floor(ROWS / 3)]?.started_at ?? '';
    for (const [query, holds] of [
      [`key=${like?.key_id}`, (row: Request) => row.key_id === like?.key_id],
      [`group=${like?.group_id}`, (row: Request) => row.group_id === like?.group_id],
      [`model=o9&client=codex_exec`, (row: Request) => row.model === 'o9'],
      [`to=${cut}`, (row: Request) => row.started_at < cut],
    ] as const) {
      const answer = await gateway.admin.get(`/sessions?limit=200&${query}`);
      const expected = [...bySession(rows.filter(holds))].slice(0, 200);
      const { data } = answer.body as Page<Session>;
      expect(data.map(({ id }) => id)).toEqual(expected.map(([id]) => id));
      data.forEach((session, i) => expect(session).toMatchObject(expectedOf(expected[i]?.[1] ?? [])));
    }
  });

  it('are read with their requests, oldest first, page by page', async () => {
    const [id, own = []] = [...bySession()].find(([, all]) => all.length === 15) ?? [''];
    const first = (await gateway.admin.get(`/sessions/${id}?limit=10`)).body as SessionDetail;
    const second = (await gateway.admin.get(`/sessions/${id}?limit=10&cursor=${first.next_cursor}`))
      .body as SessionDetail;
    expect(first.session).toMatchObject(expectedOf(own));
    expect([...first.data, ...second.data]).toEqual(own.toReversed());
    expect(second.next_cursor).toBeNull();
    expect((await gateway.admin.get('/sessions/none%2Fsuch')).status).toBe(404);
  });

  function expectedOf(own: readonly Request[]) {
    const last = own[0];
    const [input, cached] = [sum(own, (row) => row.input_tokens), sum(own, (row) => row.cached_tokens)];
    return {
      first_at: own.at(-1)?.started_at,
      last_at: last?.started_at,
      last_request_id: last?.id,
      last_outcome: last?.outcome,
      key_id: last?.key_id,
      key_name: last?.key_name,
      group_id: last?.group_id,
      client: last?.client,
      keys: new Set(own.map(({ key_id: key }) => key)).size,
      models: [...new Set(own.map(({ model }) => model))].toSorted(),
      requests: own.length,
      turns: own.filter(({ kind }) => kind === 'response').length,
      compactions: own.filter(({ kind }) => kind === 'compaction').length,
      cache_drops: own.filter(({ cache_drop: drop }) => drop !== null && drop.cause !== 'compaction').length,
      errors: own.filter(({ outcome }) => outcome !== 'ok' && outcome !== 'client_left').length,
      input_tokens: input,
      cached_tokens: cached,
      output_tokens: sum(own, (row) => row.output_tokens),
      cached_share: input === 0 ? null : Math.round((cached / input) * 10_000) / 10_000,
      cost_usd: String(sum(own, (row) => Math.round(Number(row.cost_usd) * 1e9)) / 1e9),
    };
  }
});

describe('the indexes of the request log', () => {
  const used = new Set<string>();
  let client: pg.Client;
  let plan = '';
  /** Whether it finds the answer as well, to tell what was read for it. */
  let isAnalysed = false;
  /** Asks the database how it would find the answer, in place of the answer. */
  const explained: Pick<QuestionPool, 'ask'> = {
    ask: async ({ text: question, values }, { avoidsTableScans = false } = {}) => {
      await client.query(`SET enable_seqscan = ${avoidsTableScans ? 'off' : 'on'}`);
      const explain = isAnalysed ? 'EXPLAIN (ANALYZE, TIMING off)' : 'EXPLAIN';
      const { rows: lines } = await client.query<{ 'QUERY PLAN': string }>(
        `${explain} ${question}`,
        values as unknown[],
      );
      plan = lines.map((line) => line['QUERY PLAN']).join('\n');
      return [];
    },
  };
  const pool = explained as QuestionPool;
  const [search, reports] = [new RequestSearch(pool), new RequestReports(pool)];
  const page = { limit: 51, afterId: null, sort: 'started_at', isDescending: true } as const;
  const only = (values: RequestFilter['only']): RequestFilter => ({ ...EVERY_REQUEST, only: values });
  const uuid = (id: string | null = '') =>
    id?.replace(/^\w+_/, '').replace(/(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-') ?? '';

  beforeAll(async () => {
    client = new pg.Client({ connectionString: gateway.database.url });
    await client.connect();
  });
  afterAll(() => client.end());

  /** Of the whole table: each day's has a name of its own. */
  async function indexesOfPlan(): Promise<string[]> {
    const { rows: indexes } = await client.query<{ part: string; whole: string }>(
      `SELECT inhrelid::regclass::text AS part, inhparent::regclass::text AS whole
       FROM pg_inherits JOIN pg_index ON indexrelid = inhparent`,
    );
    return [...new Set(indexes.filter(({ part }) => plan.includes(` ${part} `)).map(({ whole }) => whole))];
  }

  it.each<[string, string, () => Promise<unknown>]>([
    ['the newest requests', 'request_log_pkey', () => search.list(EVERY_REQUEST, page)],
    [
      'a request by how its id begins',
      'request_log_pkey',
      () => search.list({ ...EVERY_REQUEST, idPrefix: rows[7]?.id.slice(4, 20) ?? '' }, page),
    ],
    [
      'requests of a key',
      'request_log_key_id_started_at_idx',
      () => search.list(only({ key: [uuid(rows[0]?.key_id)] }), page),
    ],
    [
      'requests of a session',
      'request_log_session_id_started_at_idx',
      () => search.list(only({ session: [rows[0]?.session_id ?? ''] }), { ...page, isDescending: false }),
    ],
    [
      'requests that failed with a code',
      'request_log_failed_idx',
      () => search.list(only({ error_code: ['upstream_timeout'] }), page),
    ],
    [
      'requests by the text of an error',
      'request_log_failed_idx',
      () => search.list({ ...EVERY_REQUEST, errorText: 'no such' }, page),
    ],
    [
      'a request by the id of its response',
      'request_log_ids_idx',
      () => search.list(only({ response_id: ['resp_1'] }), page),
    ],
    [
      "a request by the client's id",
      'request_log_ids_idx',
      () => search.list(only({ client_request_id: ['c1'] }), page),
    ],
    [
      "a request by the upstream's id",
      'request_log_ids_idx',
      () => search.list(only({ upstream_request_id: ['u1'] }), page),
    ],
    [
      'a histogram of a day',
      'request_log_time_idx',
      () =>
        reports.histogram(
          EVERY_REQUEST,
          [0, 12, 24].map((hours) => new Date(until.getTime() - hours * 3_600_000)).toReversed(),
        ),
    ],
  ])('%s: found by %s', async (_, index, ask) => {
    await ask();
    const indexes = await indexesOfPlan();
    expect(indexes).toContain(index);
    for (const each of indexes) used.add(each);
  });

  it('find page 1 000 as they find the first: nothing of the pages before it is read', async () => {
    /** Rows that were read beyond those of the page, thrown away or not. */
    const readInVain = async (afterId: string | null): Promise<number> => {
      isAnalysed = true;
      await search.list(EVERY_REQUEST, { limit: PAGE_ROWS, afterId, sort: 'started_at', isDescending: true });
      isAnalysed = false;
      expect(await indexesOfPlan()).toEqual(['request_log_pkey']);
      const read = [...plan.matchAll(/ Scan .*\(actual rows=([\d.]+) loops=1\)/g)];
      const thrownAway = [...plan.matchAll(/Rows Removed by Filter: (\d+)/g)];
      expect(read.length).toBeGreaterThan(0);
      return sum([...read, ...thrownAway], ([, count]) => Number(count)) - PAGE_ROWS;
    };
    // The next one of each older day, to tell which day goes on.
    expect(await readInVain(null)).toBeLessThanOrEqual(DAYS);
    expect(await readInVain(uuid(rows[999 * PAGE_ROWS - 1]?.id))).toBeLessThanOrEqual(DAYS);
  });

  it('have all that histograms and facets read, without the table', async () => {
    const hour = { ...only({ model: ['o9'] }), from: new Date(until.getTime() - 3_600_000), to: until };
    await reports.histogram(hour, [hour.from, hour.to]);
    expect(plan).toMatch(/Index Only Scan using request_log_\d{8}_started_at_outcome/);
    await reports.facets(hour, { fields: ['key', 'group', 'upstream', 'outcome', 'status'], valuesMax: 10 });
    expect(plan).toMatch(/Index Only Scan using request_log_\d{8}_started_at_outcome/);
  });

  it('are those six and no more, each used by a question above', async () => {
    const { rows: indexes } = await client.query<{ indexrelid: string }>(
      `SELECT indexrelid::regclass::text AS indexrelid FROM pg_index WHERE indrelid = 'request_log'::regclass`,
    );
    expect(indexes.map(({ indexrelid }) => indexrelid).toSorted()).toEqual([...used].toSorted());
    expect(indexes).toHaveLength(6);
  });

  it(`take, with the rows themselves, less than ${BYTES_PER_ROW_MAX} bytes a row`, async () => {
    const { rows: sizes } = await client.query<{ bytes: number }>(
      `SELECT sum(pg_total_relation_size(relid))::float8 / $1 AS bytes FROM pg_partition_tree('request_log') WHERE isleaf`,
      [ROWS],
    );
    expect(sizes[0]?.bytes).toBeGreaterThan(500);
    expect(sizes[0]?.bytes).toBeLessThan(BYTES_PER_ROW_MAX);
  });
});
