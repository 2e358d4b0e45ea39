import type { Group, IssuedKey, Problem } from '../../libs/contract/src/index.js';
import type { AdminAnswer } from '../support/admin-client.js';
import { TestGateway } from '../support/gateway.js';

let gateway: TestGateway;
let group: Group;
let made = 0;

beforeAll(async () => {
  gateway = await TestGateway.start();
  group = await gateway.admin.create<Group>('/groups', { name: 'team', models: ['*'] });
});
afterAll(() => gateway.stop());

const tagIn = ({ headers }: AdminAnswer) => headers.get('etag') ?? '';
const ifMatch = (tag: string) => ({ 'if-match': tag });
const tagAt = async (path: string) => tagIn(await gateway.admin.get(path));

/** What operators did: alerts come by themselves. */
async function audits(): Promise<number> {
  const [row] = await gateway.database.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM audit_entries WHERE actor <> 'system'`,
  );
  return row?.n ?? NaN;
}

/** What kinds of objects there are, each with what makes one. */
const KINDS: [string, (name: string) => object][] = [
  ['groups', (name) => ({ name })],
  ['keys', (name) => ({ name, group_id: group.id })],
  ['models', (name) => ({ name, prices: { input_per_million_usd: '1', output_per_million_usd: '2' } })],
  ['upstreams', (name) => ({ name, base_url: 'http://127.0.0.1:9' })],
  ['webhooks', (name) => ({ name, url: 'http://127.0.0.1:9/', types: [] })],
];

async function make(kind: string): Promise<{ path: string; tag: string }> {
  const fields = KINDS.find(([name]) => name === kind)?.[1](`made-${++made}`);
  const answer = await gateway.admin.post(`/${kind}`, fields);
  expect(answer.status).toBe(201);
  return { path: `/${kind}/${(answer.body as IssuedKey).id}`, tag: tagIn(answer) };
}

/** That this did nothing, because what it is based on is out of date. */
async function expectStale(path: string, send: () => Promise<AdminAnswer>): Promise<void> {
  const [before, audited] = [await gateway.admin.get(path), await audits()];
  const answer = await send();
  expect([answer.status, (answer.body as Problem).code]).toEqual([412, 'precondition_failed']);
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
  const after = await gateway.admin.get(path);
  expect([after.body, tagIn(after)]).toEqual([before.body, tagIn(before)]);
  expect(await audits()).toBe(audited);
}

describe.each(KINDS)('one of the %s', (kind) => {
  it('has a strong tag, the same in each answer that shows it, until it is edited', async () => {
    const { path, tag } = await make(kind);
    expect(tag).toMatch(/^"[^"]+"$/);
    expect(await tagAt(path)).toBe(tag);
    const edited = await gateway.admin.patch(path, { name: `edited-${made}` }, ifMatch(tag));
    expect(edited.status).toBe(200);
    expect(tagIn(edited)).not.toBe(tag);
    expect(await tagAt(path)).toBe(tagIn(edited));
  });

  it('is neither edited nor deleted by who has not seen the last edit', async () => {
    const { path, tag } = await make(kind);
    const edited = await gateway.admin.patch(path, { name: `edited-${made}` });
    await expectStale(path, () => gateway.admin.patch(path, { name: 'stale' }, ifMatch(tag)));
    await expectStale(path, () => gateway.admin.delete(path, ifMatch(tag)));
    expect((await gateway.admin.delete(path, ifMatch(tagIn(edited)))).status).toBe(204);
    const gone = await gateway.admin.patch(path, { name: 'gone' }, ifMatch('*'));
    expect(gone.status).toBe(404);
  });

  it('is edited by one of twenty who have seen the same', async () => {
    const { path, tag } = await make(kind);
    const audited = await audits();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => gateway.admin.patch(path, { name: `${kind}-${index}` }, ifMatch(tag))),
    );
    const won = answers.filter(({ status }) => status === 200);
    expect(won).toHaveLength(1);
    const [{ body }] = won as [AdminAnswer];
    // 409: who had to wait too long for a connection to the database.
    expect(answers.filter(({ status }) => status !== 200 && status !== 412 && status !== 409)).toEqual([]);
    expect((await gateway.admin.get(path)).body).toMatchObject({ name: (body as Group).name });
    expect((await audits()) - audited).toBe(1);
  });

  it('is not sent again to who has it', async () => {
    const { path, tag } = await make(kind);
    for (const known of [tag, `W/${tag}`, `"other", ${tag}`, '*']) {
      const answer = await gateway.admin.get(path, { 'if-none-match': known });
      expect([answer.status, answer.body, tagIn(answer)]).toEqual([304, null, tag]);
    }
    for (const other of ['"other"', `"0${tag.slice(1)}`]) {
      expect((await gateway.admin.get(path, { 'if-none-match': other })).status).toBe(200);
    }
  });
});

describe('what is done to an object', () => {
  it.each([
    ['keys', 'rotate'],
    ['keys', 'revoke'],
    ['webhooks', 'rotate'],
    ['upstreams', 'trip'],
    ['upstreams', 'reset'],
  ])('may be based on its tag, too: %s, %s', async (kind, action) => {
    const { path, tag } = await make(kind);
    const edited = tagIn(await gateway.admin.patch(path, { name: `edited-${made}` }));
    await expectStale(path, () => gateway.admin.post(`${path}/${action}`, undefined, ifMatch(tag)));
    const done = await gateway.admin.post(`${path}/${action}`, undefined, ifMatch(edited));
    expect(done.status).toBe(200);
    expect(tagIn(done)).not.toBe(edited);
    expect(await tagAt(path)).toBe(tagIn(done));
  });
});

describe('If-Match', () => {
  it('may name more than one tag, and any', async () => {
    const { path, tag } = await make('groups');
    const edit = (header: string) => gateway.admin.patch(path, { description: header }, ifMatch(header));
    expect((await edit(`"other" , ${tag}`)).status).toBe(200);
    expect((await edit('*')).status).toBe(200);
  });

  it.each(['W/TAG', '"other"', '"999999999999"'])(
    'is never true for %s: a weak tag, or one of nobody',
    async (text) => {
      const { path, tag } = await make('groups');
      await expectStale(path, () => gateway.admin.patch(path, { name: 'x' }, ifMatch(text.replace('TAG', tag))));
    },
  );

  it.each(['', 'abc', '7', '"7', '*, "7"', '"a b"'])('is refused when it is no list of tags: %j', async (header) => {
    const { path, tag } = await make('groups');
    const answer = await gateway.admin.patch(path, { name: 'x' }, ifMatch(header));
    expect([answer.status, answer.body]).toEqual([
      400,
      expect.objectContaining({ code: 'invalid_header', errors: [expect.objectContaining({ path: 'If-Match' })] }),
    ]);
    expect(await tagAt(path)).toBe(tag);
    expect((await gateway.admin.get(path, { 'if-none-match': header })).status).toBe(400);
  });
});

describe('the tag', () => {
  it('of a key is not changed by its use, and by every edit of the row', async () => {
    const { path, tag } = await make('keys');
    const name = `made-${made}`;
    const write = (what: string) => gateway.database.query(`UPDATE api_keys SET ${what} WHERE name = $1`, [name]);
    await write('last_used_at = now()');
    const used = await gateway.admin.get(path);
    expect(used.body).toMatchObject({ last_used_at: expect.any(String) });
    expect(tagIn(used)).toBe(tag);
    await write(`owner = 'somebody with SQL'`);
    expect(await tagAt(path)).not.toBe(tag);
  });

  it('of a group is not changed by its keys', async () => {
    const tag = await tagAt(`/groups/${group.id}`);
    await make('keys');
    expect(await tagAt(`/groups/${group.id}`)).toBe(tag);
  });

  it('of a model is changed by a price of its own route, and by one that is taken back', async () => {
    const { path, tag } = await make('models');
    const prices = { input_per_million_usd: '3', output_per_million_usd: '4', effective_from: '2099-01-01T00:00:00Z' };
    const { id } = await gateway.admin.create<{ id: string }>(`${path}/prices`, prices);
    const priced = await tagAt(path);
    expect(priced).not.toBe(tag);
    expect((await gateway.admin.delete(`${path}/prices/${id}`)).status).toBe(204);
    expect([tag, priced]).not.toContain(await tagAt(path));
  });
});

describe('the settings', () => {
  const both = { compaction_max_age_days: 90, retention_alerts_days: 30 };

  it('are changed together or not at all, by who has seen the last change of any of them', async () => {
    const seen = await tagAt('/settings');
    const first = await gateway.admin.patch('/settings', both, ifMatch(seen));
    expect(first).toMatchObject({ status: 200, body: both });
    await expectStale('/settings', () =>
      gateway.admin.patch('/settings', { compaction_max_age_days: 1, retention_alerts_days: 1 }, ifMatch(seen)),
    );
    expect((await gateway.admin.get('/settings', { 'if-none-match': tagIn(first) })).status).toBe(304);
    expect((await gateway.admin.patch('/settings', { retention_alerts_days: 31 }, ifMatch(tagIn(first)))).status).toBe(
      200,
    );
    await expectStale('/settings', () =>
      gateway.admin.patch('/settings', { compaction_max_age_days: 1 }, ifMatch(tagIn(first))),
    );
  });

  it('are changed by one of twenty who have seen the same, whatever they change', async () => {
    const seen = await tagAt('/settings');
    const audited = await audits();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        gateway.admin.patch(
          '/settings',
          index % 2 ? { retention_alerts_days: 40 + index } : { compaction_max_age_days: 40 + index },
          ifMatch(seen),
        ),
      ),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect((await audits()) - audited).toBe(1);
  });
});

describe('the description of the API', () => {
  interface Operation {
    parameters?: { name: string; in: string }[];
    responses: Record<string, { headers?: object }>;
  }
  const headersOf = ({ parameters = [] }: Operation) =>
    parameters.flatMap(({ name, in: place }) => (place === 'header' ? [name] : [])).toSorted();

  it('tells which routes take which header, and what they answer then', async () => {
    const { paths } = (await (await fetch(`${gateway.url}/admin/v1/openapi.json`)).json()) as {
      paths: Record<string, Record<string, Operation>>;
    };
    const at = (method: string, path: string) => paths[`/admin/v1${path}`]?.[method] as Operation;
    for (const [path, methods] of Object.entries(paths)) {
      for (const [method, operation] of Object.entries(methods)) {
        const isPost = method === 'post' && path.startsWith('/admin/v1/');
        expect(headersOf(operation).includes('Idempotency-Key')).toBe(isPost);
        if (isPost) expect(Object.keys(operation.responses)).toEqual(expect.arrayContaining(['409', '422']));
      }
    }
    for (const one of [...KINDS.map(([kind]) => `/${kind}/{id}`), '/settings']) {
      expect(headersOf(at('get', one))).toEqual(['If-None-Match']);
      expect(at('get', one).responses).toHaveProperty(['304']);
      expect(headersOf(at('patch', one))).toEqual(['If-Match']);
      expect(at('patch', one).responses).toHaveProperty(['412']);
      expect(at('patch', one).responses).toHaveProperty(['200', 'headers', 'ETag']);
    }
    for (const [kind] of KINDS) {
      expect(headersOf(at('delete', `/${kind}/{id}`))).toEqual(['If-Match']);
      expect(at('post', `/${kind}`).responses).toHaveProperty(['201', 'headers', 'ETag']);
    }
    expect(headersOf(at('post', '/keys/{id}/rotate'))).toEqual(['Idempotency-Key', 'If-Match']);
  });
});
