import { Validator } from '@seriousme/openapi-schema-validator';
import type { Group, IssuedKey, Key, Model, Page, Problem, Upstream } from '../../libs/contract/src/index.js';
import { Simulator } from '../../apps/simulator/src/simulator.js';
import { ADMIN_TOKEN, TestGateway } from '../support/gateway.js';
import { call, callBody } from '../support/responses-client.js';

let gateway: TestGateway;
let simulator: Simulator;

beforeAll(async () => {
  [gateway, simulator] = await Promise.all([TestGateway.start(), Simulator.start()]);
});
afterAll(async () => {
  await gateway.stop();
  await simulator.close();
});

const statusWith = async (secret: string) => (await call(gateway.url, callBody('hi'), { secret })).status;
const problem = (answer: { body: unknown }) => answer.body as Problem;

describe('who may call', () => {
  it.each([
    '/keys',
    '/groups',
    '/models',
    '/upstreams',
    '/requests',
    '/requests/export',
    '/sessions',
    '/usage',
    '/erasures',
    '/storage',
    '/audit',
  ])('%s needs the admin token', async (path) => {
    for (const authorization of [undefined, 'Bearer wrong-token', `Basic ${ADMIN_TOKEN}`]) {
      const response = await fetch(`${gateway.url}/admin/v1${path}`, {
        headers: authorization ? { authorization } : {},
      });
      expect(response.status).toBe(401);
      expect(response.headers.get('content-type')).toBe('application/problem+json');
      expect(response.headers.get('x-request-id')).toMatch(/^req_/);
    }
  });

  it('is not a holder of a model key, nor may the admin token call models', async () => {
    const { secret } = await gateway.admin.issueKey();
    const response = await fetch(`${gateway.url}/admin/v1/keys`, { headers: { authorization: `Bearer ${secret}` } });
    expect(response.status).toBe(401);
    expect(await statusWith(ADMIN_TOKEN)).toBe(401);
  });
});

describe('what is not valid', () => {
  it.each<[string, object, string]>([
    ['/groups', {}, 'name'],
    ['/groups', { name: 'g', models: 'gpt' }, 'models'],
    ['/groups', { name: 'g', models: ['a', 'b c'] }, 'models.1'],
    ['/groups', { name: 'g', budget: 1 }, 'budget'],
    ['/keys', { name: 'k' }, 'group_id'],
    ['/keys', { name: 'k', group_id: 'grp_1' }, 'group_id'],
    ['/keys', { name: 'k', group_id: `grp_${'0'.repeat(32)}` }, 'group_id'],
    ['/keys', { name: 'k', group_id: `grp_${'0'.repeat(32)}`, expires_at: 'tomorrow' }, 'expires_at'],
    ['/upstreams', { name: 'u', base_url: 'ftp://x' }, 'base_url'],
    ['/upstreams', { name: 'u', base_url: 'http://user:pass@x' }, 'base_url'],
    ['/upstreams', { name: 'u', base_url: 'http://x', kind: 'azure' }, 'kind'],
    ['/upstreams', { name: 'u', base_url: 'http://x', credential: 'a\nb' }, 'credential'],
    [
      '/models',
      { name: 'm', prices: { input_per_million_usd: '1', output_per_million_usd: -1 } },
      'prices.output_per_million_usd',
    ],
    ['/models', { name: 'm', upstreams: [{ upstream_id: `ups_${'0'.repeat(32)}` }] }, 'upstreams'],
  ])('POST %s %j is answered 422 and names %s', async (path, body, field) => {
    const answer = await gateway.admin.post(path, body);
    expect(answer.status).toBe(422);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(problem(answer).errors?.map((error) => error.path)).toContain(field);
    expect(problem(answer)).toMatchObject({ status: 422, code: 'validation_failed' });
  });

  it.each([
    ['/requests?limit=1000', 'limit'],
    ['/requests?status=abc', 'status'],
    ['/requests?from=yesterday', 'from'],
    ['/requests?cursor=x', 'cursor'],
    ['/requests?nonsense=1', 'nonsense'],
    ['/requests?status=200&status=2x', 'status'],
    ['/requests?exclude_outcome=fine', 'exclude_outcome'],
    ['/requests?key=key_1', 'key'],
    ['/requests?status=', 'status'],
    ['/requests?client_ip=10.0.0.0/40', 'client_ip'],
    ['/requests?stream=yes', 'stream'],
    ['/requests?id=req_xyz', 'id'],
    ['/requests?error_text=', 'error_text'],
    ['/requests?duration_ms_min=fast', 'duration_ms_min'],
    ['/requests?attempts_max=-1', 'attempts_max'],
    ['/requests?cost_usd_min=1e3', 'cost_usd_min'],
    ['/requests?sort=colour', 'sort'],
    ['/requests?sort=duration_ms', 'sort'],
    ['/requests?sort=cost_usd&from=2026-01-01T00:00:00Z&to=2026-01-09T00:00:00Z', 'sort'],
    ['/requests/histogram?buckets=401', 'buckets'],
    ['/requests/histogram?buckets=10&interval_seconds=60', 'interval_seconds'],
    ['/requests/histogram?interval_seconds=60', 'interval_seconds'],
    ['/requests/histogram?from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z', 'to'],
    ['/requests/histogram?cursor=x', 'cursor'],
    ['/requests/facets?fields=model,colour', 'fields.1'],
    ['/requests/facets?limit=1000', 'limit'],
    ['/requests/export?format=xlsx', 'format'],
    ['/requests/export?limit=5', 'limit'],
    ['/sessions?status=200', 'status'],
    ['/sessions?cursor=s1', 'cursor'],
    ['/usage?bucket=week', 'bucket'],
    ['/usage?group_by=key,colour', 'group_by.1'],
    ['/usage?start=2026-02-01T00:00:00Z&end=2026-01-01T00:00:00Z', 'end'],
  ])('GET %s is answered 422 and names %s', async (path, field) => {
    const answer = await gateway.admin.get(path);
    expect(answer.status).toBe(422);
    expect(problem(answer).errors?.map((error) => error.path)).toContain(field);
  });

  it('is told what it should be, by the name of the parameter', async () => {
    const answer = await gateway.admin.get('/requests?key=&key=key_1&exclude_client_ip=x&outcome=fine&id=req_');
    expect(problem(answer).errors).toEqual([
      { path: 'id', message: 'must be the id of a request, or how it begins, such as req_0193ab' },
      { path: 'outcome', message: expect.stringMatching(/^must be one of ok, client_error, /) },
      { path: 'key', message: 'must be the id of a key, such as key_0193…' },
      { path: 'exclude_client_ip', message: 'must be an IP address, or a network such as 10.0.0.0/8' },
    ]);
  });

  it('is answered 400 when it is not JSON, 404 when it does not exist, 409 when the name is taken', async () => {
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
    const malformed = await fetch(`${gateway.url}/admin/v1/groups`, { method: 'POST', headers, body: '{"name":' });
    expect(malformed.status).toBe(400);
    expect((await gateway.admin.get(`/keys/key_${'0'.repeat(32)}`)).status).toBe(404);
    expect((await gateway.admin.get('/nothing')).status).toBe(404);
    await gateway.admin.create('/groups', { name: 'twice' });
    expect((await gateway.admin.post('/groups', { name: 'twice' })).status).toBe(409);
  });
});

describe('keys', () => {
  it('tell their secret once, are stored as a hash, and work at once', async () => {
    const { secret, key } = await gateway.admin.issueKey({ upstreamBaseUrl: simulator.baseUrl });
    expect(secret).toMatch(/^sk-tg-[0-9A-Za-z]{49}$/);
    expect(key).toMatchObject({ prefix: secret.slice(0, 12), last4: secret.slice(-4), status: 'active' });
    expect((await gateway.admin.get(`/keys/${key.id}`)).body).not.toHaveProperty('secret');
    expect(await statusWith(secret)).toBe(200);
    const dump = await gateway.database.query('SELECT k::text, a::text FROM api_keys k CROSS JOIN audit_entries a');
    expect(JSON.stringify(dump)).not.toContain(secret.slice(12));
  });

  it('are refused as soon as they are revoked, and once they are deleted', async () => {
    const revoked = await gateway.admin.issueKey();
    expect((await gateway.admin.post(`/keys/${revoked.key.id}/revoke`)).body).toMatchObject({ status: 'revoked' });
    expect(await statusWith(revoked.secret)).toBe(401);
    const deleted = await gateway.admin.issueKey();
    expect((await gateway.admin.delete(`/keys/${deleted.key.id}`)).status).toBe(204);
    expect(await statusWith(deleted.secret)).toBe(401);
    expect((await gateway.admin.get(`/keys/${deleted.key.id}`)).status).toBe(404);
  });

  it('go on working with the old secret for the overlap of a rotation, and no longer', async () => {
    const { key, secret } = await gateway.admin.issueKey();
    const rotated = (await gateway.admin.post(`/keys/${key.id}/rotate`)).body as IssuedKey;
    expect(rotated.secret).not.toBe(secret);
    expect([await statusWith(secret), await statusWith(rotated.secret)]).toEqual([200, 200]);
    const again = (await gateway.admin.post(`/keys/${key.id}/rotate`, { overlap_seconds: 0 })).body as IssuedKey;
    expect(await statusWith(secret)).toBe(401);
    expect(await statusWith(rotated.secret)).toBe(401);
    expect(await statusWith(again.secret)).toBe(200);
  });

  it('may narrow the models of their group, and are changed in place', async () => {
    const { group } = await gateway.admin.issueKey({ models: ['gpt-5*'] });
    const key = await gateway.admin.create<IssuedKey>('/keys', {
      name: 'narrow',
      group_id: group.id,
      models: ['gpt-5.5-mini'],
      owner: 'ann@example.com',
    });
    expect(await statusWith(key.secret)).toBe(403);
    const changed = (await gateway.admin.patch(`/keys/${key.id}`, { models: null, name: 'wide' })).body as Key;
    expect(changed).toMatchObject({ models: null, name: 'wide', owner: 'ann@example.com' });
    expect(await statusWith(key.secret)).toBe(200);
  });

  it('are listed newest first, in pages', async () => {
    const { group } = await gateway.admin.issueKey();
    for (const name of ['a', 'b', 'c']) await gateway.admin.create('/keys', { name, group_id: group.id });
    const first = (await gateway.admin.get(`/keys?group=${group.id}&limit=2`)).body as Page<Key>;
    expect(first.data.map(({ name }) => name)).toEqual(['c', 'b']);
    const second = (await gateway.admin.get(`/keys?group=${group.id}&limit=2&cursor=${first.next_cursor}`))
      .body as Page<Key>;
    expect(second.data.map(({ name }) => name)[0]).toBe('a');
    expect(second.next_cursor).toBeNull();
  });
});

describe('groups', () => {
  it('decide which models their keys see and may use, from the next request on', async () => {
    const { group, secret } = await gateway.admin.issueKey({ models: ['gpt-5.5'] });
    const models = async () => {
      const { body } = await call(gateway.url, null, { method: 'GET', path: '/v1/models', secret });
      return (JSON.parse(body.toString()) as { data: { id: string }[] }).data.map(({ id }) => id);
    };
    expect(await models()).toEqual(['gpt-5.5']);
    expect(await statusWith(secret)).toBe(200);
    await gateway.admin.patch(`/groups/${group.id}`, { models: ['other'] });
    expect(await models()).toEqual(['other']);
    expect(await statusWith(secret)).toBe(403);
  });

  it('explain whether a model may be used', async () => {
    const { group } = await gateway.admin.issueKey({ models: ['gpt-5*'] });
    expect((await gateway.admin.get(`/groups/${group.id}/check?model=gpt-5.5`)).body).toMatchObject({
      allowed: true,
      matched_pattern: 'gpt-5*',
    });
    expect((await gateway.admin.get(`/groups/${group.id}/check?model=o9`)).body).toMatchObject({ allowed: false });
  });

  it('cannot be deleted while they have keys', async () => {
    const { group, key } = await gateway.admin.issueKey();
    expect((await gateway.admin.delete(`/groups/${group.id}`)).status).toBe(409);
    await gateway.admin.delete(`/keys/${key.id}`);
    expect((await gateway.admin.delete(`/groups/${group.id}`)).status).toBe(204);
    expect(((await gateway.admin.get('/groups')).body as Page<Group>).data.map(({ id }) => id)).not.toContain(group.id);
  });
});

describe('upstreams', () => {
  it('never show their credential, and store it sealed', async () => {
    const upstream = await gateway.admin.create<Upstream>('/upstreams', {
      name: 'sealed',
      base_url: `${simulator.url}/`,
      credential: 'sk-very-secret',
    });
    expect(JSON.stringify(upstream)).not.toContain('sk-very-secret');
    expect(upstream).toMatchObject({
      base_url: simulator.baseUrl,
      credential_fingerprint: expect.stringMatching(/^[0-9a-f]{8}$/),
    });
    const [row] = await gateway.database.query<{ sealed: string; audit: string }>(
      `SELECT encode(credential_sealed, 'escape') AS sealed, (SELECT string_agg(a::text, '') FROM audit_entries a) AS audit
       FROM upstreams WHERE name = 'sealed'`,
    );
    expect(row?.sealed).not.toContain('secret');
    expect(row?.audit).not.toContain('sk-very-secret');
  });

  it('lose their credential when they are moved to another host without one', async () => {
    const { id } = await gateway.admin.create<Upstream>('/upstreams', {
      name: 'moved',
      base_url: 'http://127.0.0.1:9',
      credential: 'abc',
    });
    const renamed = (await gateway.admin.patch(`/upstreams/${id}`, { name: 'moved-2' })).body as Upstream;
    expect(renamed.credential_fingerprint).not.toBeNull();
    const moved = (await gateway.admin.patch(`/upstreams/${id}`, { base_url: 'http://127.0.0.1:10' })).body as Upstream;
    expect(moved).toMatchObject({ credential_fingerprint: null, base_url: 'http://127.0.0.1:10/v1' });
  });

  it('can be tested, disabled and deleted', async () => {
    const { id } = await gateway.admin.create<Upstream>('/upstreams', { name: 'tested', base_url: simulator.baseUrl });
    expect((await gateway.admin.post(`/upstreams/${id}/test`)).body).toMatchObject({
      ok: true,
      status: 200,
      problem: null,
    });
    await gateway.admin.patch(`/upstreams/${id}`, { base_url: 'http://127.0.0.1:9' });
    expect((await gateway.admin.post(`/upstreams/${id}/test`)).body).toMatchObject({ ok: false, status: null });
    expect((await gateway.admin.patch(`/upstreams/${id}`, { enabled: false })).body).toMatchObject({
      state: 'disabled',
    });
    expect((await gateway.admin.delete(`/upstreams/${id}`)).status).toBe(204);
  });
});

describe('models', () => {
  it('hold names, aliases, routes and exact prices; a name leads to one model only', async () => {
    const model = await gateway.admin.create<Model>('/models', {
      name: 'priced',
      aliases: ['p'],
      prices: { input_per_million_usd: '1.25', cached_input_per_million_usd: '0.125', output_per_million_usd: '10' },
    });
    expect(model.prices).toEqual({
      input_per_million_usd: '1.25',
      cached_input_per_million_usd: '0.125',
      cache_write_per_million_usd: '1.25',
      output_per_million_usd: '10',
      reasoning_per_million_usd: '10',
      per_request_usd: '0',
    });
    expect((await gateway.admin.post('/models', { name: 'other', aliases: ['priced'] })).status).toBe(409);
    expect((await gateway.admin.post('/models', { name: 'p' })).status).toBe(409);
    const changed = (await gateway.admin.patch(`/models/${model.id}`, { aliases: ['q'], prices: null })).body as Model;
    expect(changed).toMatchObject({ name: 'priced', aliases: ['q'], prices: null });
    expect((await gateway.admin.delete(`/models/${model.id}`)).status).toBe(204);
  });
});

describe('every write', () => {
  it('leaves exactly one audit entry', async () => {
    const count = async () =>
      Number((await gateway.database.query<{ n: string }>('SELECT count(*) AS n FROM audit_entries'))[0]?.n);
    const before = await count();
    const group = await gateway.admin.create<Group>('/groups', { name: 'audited' });
    await gateway.admin.patch(`/groups/${group.id}`, { description: 'x' });
    await gateway.admin.post('/groups', { name: 'audited' });
    await gateway.admin.delete(`/groups/${group.id}`);
    expect((await count()) - before).toBe(3);
  });
});

describe('the description of the API', () => {
  it('is valid OpenAPI 3.1, from which clients can be made', async () => {
    const document = (await (await fetch(`${gateway.url}/admin/v1/openapi.json`)).json()) as Record<string, unknown>;
    expect(document.openapi).toBe('3.1.0');
    const { valid, errors } = await new Validator().validate(document);
    expect({ valid, errors }).toEqual({ valid: true, errors: undefined });
  });

  it('lists every route of the contract, with schemas', async () => {
    const document = (await (await fetch(`${gateway.url}/admin/v1/openapi.json`)).json()) as {
      paths: Record<string, Record<string, unknown>>;
      components: { schemas: Record<string, unknown> };
    };
    const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path.replace('/admin/v1', '')}`),
    );
    expect(routes.toSorted()).toEqual(
      [
        'get /session',
        'post /session',
        'delete /session',
        'post /session/password',
        'get /session/options',
        'post /session/totp',
        'post /session/totp/confirm',
        'delete /session/totp',
        'get /oidc/login',
        'get /oidc/callback',
        'post /setup',
        'get /operators',
        'post /operators',
        'get /operators/{id}',
        'patch /operators/{id}',
        'delete /operators/{id}',
        'post /operators/{id}/invite',
        'post /operators/{id}/totp/reset',
        'get /tokens',
        'post /tokens',
        'delete /tokens/{id}',
        'delete /webhooks/{id}',
        'get /alerts',
        'get /webhooks',
        'get /webhooks/{id}',
        'get /webhooks/{id}/deliveries',
        'patch /webhooks/{id}',
        'post /webhooks',
        'post /webhooks/{id}/rotate',
        'post /webhooks/{id}/test',
        'delete /groups/{id}',
        'delete /keys/{id}',
        'delete /models/{id}',
        'delete /upstreams/{id}',
        'get /groups',
        'get /groups/{id}',
        'get /groups/{id}/check',
        'get /keys',
        'get /keys/{id}',
        'get /models',
        'get /models/{id}',
        'get /models/{id}/prices',
        'post /models/{id}/prices',
        'delete /models/{id}/prices/{price_id}',
        'get /balances',
        'get /balances/{owner}',
        'delete /balances/{owner}',
        'get /balances/{owner}/entries',
        'post /balances/{owner}/entries',
        'get /reconciliation',
        'get /status',
        'get /requests',
        'get /requests/{id}',
        'get /requests/{id}/curl',
        'get /requests/{id}/body',
        'delete /bodies',
        'get /requests/export',
        'get /requests/facets',
        'get /requests/histogram',
        'get /requests/in-flight',
        'get /requests/live',
        'post /requests/{id}/abort',
        'get /sessions',
        'get /sessions/{id}',
        'get /sessions/{id}/turns',
        'get /cache-health',
        'get /erasures',
        'get /erasures/{id}',
        'post /erasures',
        'get /storage',
        'get /audit',
        'get /audit/verify',
        'get /config',
        'get /config/schema',
        'get /config/drift',
        'post /config/diff',
        'post /config/apply',
        'post /requests/reprice',
        'post /prices/import',
        'get /upstreams',
        'get /upstreams/{id}',
        'get /usage',
        'patch /groups/{id}',
        'patch /keys/{id}',
        'patch /models/{id}',
        'get /settings',
        'patch /settings',
        'patch /upstreams/{id}',
        'post /groups',
        'post /keys',
        'post /keys/{id}/revoke',
        'post /keys/{id}/rotate',
        'post /models',
        'post /upstreams',
        'post /upstreams/{id}/reset',
        'post /upstreams/{id}/test',
        'post /upstreams/{id}/trip',
        'post /explain',
      ].toSorted(),
    );
    for (const name of ['Key', 'IssuedKey', 'CreateKey', 'Group', 'Model', 'Upstream', 'Request', 'Usage', 'Problem']) {
      expect(document.components.schemas).toHaveProperty(name);
    }
    expect((await fetch(`${gateway.url}/admin/docs`)).status).toBe(200);
  });
});

describe('operators who work at the same time', () => {
  it('never see a server error, and every secret that is handed out works', async () => {
    const { key, group } = await gateway.admin.issueKey();
    const rotations = await Promise.all(Array.from({ length: 5 }, () => gateway.admin.post(`/keys/${key.id}/rotate`)));
    const issued = rotations.filter(({ status }) => status === 200);
    expect(rotations.every(({ status }) => status === 200 || status === 409)).toBe(true);
    for (const { body } of issued.slice(-1)) expect(await statusWith((body as IssuedKey).secret)).not.toBe(401);
    const statuses = await Promise.all([
      gateway.admin.delete(`/keys/${key.id}`),
      gateway.admin.patch(`/keys/${key.id}`, { name: 'x' }),
      gateway.admin.delete(`/groups/${group.id}`),
      gateway.admin.post('/keys', { name: 'late', group_id: group.id }),
      gateway.admin.patch(`/groups/${group.id}`, { models: ['a', 'b'] }),
      gateway.admin.delete(`/groups/${group.id}`),
    ]);
    expect(statuses.map(({ status }) => status).filter((status) => status >= 500)).toEqual([]);
  });

  it.each([
    ['/groups', { name: 'a\u0000b' }, 'name'],
    ['/groups', { name: 'g', models: ['m\u0000'] }, 'models.0'],
    ['/models', { name: 'm\u0000' }, 'name'],
  ])('cannot store what PostgreSQL cannot hold: POST %s %j', async (path, body, field) => {
    const answer = await gateway.admin.post(path, body);
    expect(answer.status).toBe(422);
    expect(problem(answer).errors?.[0]?.path).toBe(field);
  });

  it.each([
    '/requests?model=%00',
    '/requests?from=0000-01-01T00:00:00Z',
    '/requests/req_ffffffffffffffffffffffffffffffff',
    '/requests?cursor=req_0123456789abcdef0123456789abcdef',
  ])('ask odd questions and get an answer: %s', async (path) => {
    expect((await gateway.admin.get(path)).status).toBeLessThan(500);
  });

  it('are asked for their token before their body is read', async () => {
    const response = await fetch(`${gateway.url}/admin/v1/keys`, { method: 'POST', body: 'x'.repeat(3_000_000) });
    expect(response.status).toBe(401);
  });
});
