import type {
  CurrentPrincipal,
  IssuedAdminToken,
  Operator,
  Page,
  Problem,
  Usage,
} from '../../libs/contract/src/index.js';
import { eventually } from '../support/eventually.js';
import { ADMIN_TOKEN, TestGateway } from '../support/gateway.js';
import { OperatorClient, PASSWORD, send } from '../support/operator-client.js';

/** Nobody waits here for the minute to pass. */
const MANY = { SIGN_INS_PER_MINUTE: '1000' };

let gateway: TestGateway;
/** Another replica. */
let other: TestGateway;
let owner: OperatorClient;

beforeAll(async () => {
  gateway = await TestGateway.start({ env: MANY });
  owner = await OperatorClient.firstOwner(gateway);
  other = await TestGateway.start({ env: MANY, database: gateway.database });
});
afterAll(async () => {
  await other.stop();
  await gateway.stop();
});

const code = ({ body }: { body: unknown }) => (body as Problem).code;
const withToken = (token: string, method: string, path: string, body?: unknown) =>
  send(gateway.url, method, path, body, { authorization: `Bearer ${token}` });

describe('the first owner', () => {
  it('is set up by the link that the start has printed, once', async () => {
    expect(gateway.output()).toContain(`/console/setup?token=${gateway.setupToken}`);
    const again = { token: gateway.setupToken, password: PASSWORD, name: 'Eve', email: 'eve@example.com' };
    const answer = await send(gateway.url, 'POST', '/setup', again, {});
    expect([answer.status, (answer.body as Problem).errors?.[0]?.path]).toEqual([422, 'token']);
    expect(other.output()).not.toContain('/console/setup');
    const { body } = await owner.get('/session');
    expect(body).toMatchObject({ kind: 'session', actor: 'owner@example.com', key_ids: null });
    expect((body as CurrentPrincipal).operator).toMatchObject({ role: 'owner', has_password: true });
  });

  it('has a cookie that no script and no other site gets', async () => {
    const answer = await send(gateway.url, 'POST', '/session', { email: 'Owner@Example.com ', password: PASSWORD }, {});
    expect(answer.status).toBe(200);
    const [cookie] = answer.headers.getSetCookie();
    expect(cookie).toMatch(/^__Host-tollgate=[\w-]{43}; /);
    for (const attribute of ['Path=/', 'Secure', 'HttpOnly', 'SameSite=Strict', 'Expires=']) {
      expect(cookie).toContain(attribute);
    }
    expect(cookie).not.toContain('Domain');
  });

  it('finds a page behind the link, in the language of the browser', async () => {
    const page = await fetch(`${gateway.url}/console/setup?token=x`, { headers: { 'accept-language': 'zh-CN' } });
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self'");
    expect(await page.text()).toContain('设置账号');
    expect((await fetch(`${gateway.url}/console/setup.js`)).headers.get('content-type')).toContain('javascript');
  });
});

describe('a session', () => {
  it('that is ended is refused on every replica with the next request', async () => {
    const { client, operator } = await owner.invite('viewer');
    expect((await client.at(other.url).get('/groups')).status).toBe(200);
    expect((await owner.call('PATCH', `/operators/${operator.id}`, { enabled: false })).status).toBe(200);
    expect((await client.at(other.url).get('/groups')).status).toBe(401);
    expect((await client.get('/groups')).status).toBe(401);
    // Who is let in again has to sign in again.
    await owner.call('PATCH', `/operators/${operator.id}`, { enabled: true });
    expect((await client.get('/groups')).status).toBe(401);
    const back = await OperatorClient.signIn(other.url, operator.email);
    expect((await back.call('DELETE', '/session')).status).toBe(204);
    expect((await back.at(gateway.url).get('/session')).status).toBe(401);
  });

  it('is over after half an hour without a request, and after twelve hours', async () => {
    const { client, operator } = await owner.invite('viewer');
    const uuid = operator.id.slice(4).replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, '$1-$2-$3-$4-$5');
    const set = (change: string) =>
      gateway.database.query(`UPDATE operator_sessions SET ${change} WHERE operator_id = '${uuid}'`);
    await set(`last_seen_at = now() - interval '29 minutes'`);
    expect((await client.get('/session')).status).toBe(200);
    await set(`last_seen_at = now() - interval '31 minutes'`);
    expect((await client.get('/session')).status).toBe(401);
    await set(`last_seen_at = now(), expires_at = now() - interval '1 second'`);
    expect((await client.get('/session')).status).toBe(401);
  });

  it.each<[string, string, Record<string, string>]>([
    ['a form', 'application/x-www-form-urlencoded', { 'sec-fetch-site': 'cross-site' }],
    ['a form with files', 'multipart/form-data; boundary=x', { 'sec-fetch-site': 'cross-site' }],
    ['a form of text', 'text/plain', { 'sec-fetch-site': 'cross-site' }],
    ['a form of a sister site', 'text/plain', { 'sec-fetch-site': 'same-site' }],
    ['a form of an old browser', 'text/plain', { origin: 'https://evil.example' }],
    ['a form of a browser that says nothing', 'text/plain', {}],
    ['a script of another site', 'application/json', { origin: 'null', 'x-tollgate-csrf': '1' }],
  ])('is not used by %s', async (_, type, headers) => {
    const before = await owner.get('/groups');
    const answer = await send(gateway.url, 'POST', '/groups', '{"name":"forged"}', {
      cookie: owner.cookie,
      'content-type': type,
      ...headers,
    });
    expect([answer.status, code(answer)]).toEqual([403, 'cross_site_request']);
    expect((await owner.get('/groups')).body).toEqual(before.body);
  });

  it('is not begun by a page of another site', async () => {
    const credentials = { email: 'owner@example.com', password: PASSWORD };
    const answer = await send(gateway.url, 'POST', '/session', credentials, { 'sec-fetch-site': 'cross-site' });
    expect([answer.status, answer.headers.getSetCookie()]).toEqual([403, []]);
  });

  it('goes on when its password is changed, and all others end', async () => {
    const { client, operator } = await owner.invite('auditor');
    const elsewhere = await OperatorClient.signIn(gateway.url, operator.email);
    const change = { current_password: PASSWORD, new_password: 'another long password' };
    const wrong = await client.call('POST', '/session/password', { ...change, current_password: 'x' });
    expect([wrong.status, (wrong.body as Problem).errors?.[0]?.path]).toEqual([422, 'current_password']);
    expect((await client.call('POST', '/session/password', change)).status).toBe(204);
    expect((await client.get('/session')).status).toBe(200);
    expect((await elsewhere.get('/session')).status).toBe(401);
    await expect(OperatorClient.signIn(gateway.url, operator.email)).rejects.toThrow('401');
    await OperatorClient.signIn(gateway.url, operator.email, change.new_password);
  });
});

describe('a wrong password', () => {
  it('is told in the same words as an unknown name', async () => {
    const answers = await Promise.all(
      ['owner@example.com', 'nobody@example.com', 'x'].map((email) =>
        send(gateway.url, 'POST', '/session', { email, password: 'not the right one' }, {}),
      ),
    );
    for (const { status, body } of answers) {
      const { request_id: _, ...rest } = body as Problem;
      expect([status, rest]).toEqual([401, expect.objectContaining({ code: 'wrong_password' })]);
      expect(JSON.stringify(rest)).toBe(JSON.stringify({ ...(answers[0]?.body as Problem), request_id: undefined }));
    }
  });

  it('has whoever tries again and again wait, and nobody else', async () => {
    const { operator } = await owner.invite('viewer');
    const attempt = (email: string) =>
      send(gateway.url, 'POST', '/session', { email, password: 'not the right one' }, {});
    for (let count = 0; count < 5; count++) expect((await attempt(operator.email)).status).toBe(401);
    const answer = await eventually('a wait', async () => {
      const next = await attempt(operator.email);
      return next.status === 429 ? next : undefined;
    });
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    await OperatorClient.signIn(gateway.url, 'owner@example.com');
  });

  it('of a crowd takes no more than its turn: the rest is turned away at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, index) =>
        send(gateway.url, 'POST', '/session', { email: `crowd-${index}@example.com`, password: 'x' }, {}),
      ),
    );
    const statuses = answers.map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([401, 429]));
    expect(statuses.filter((status) => status === 401).length).toBeGreaterThanOrEqual(21);
  });
});

describe('roles', () => {
  it('let nobody do more than theirs', async () => {
    const [admin, auditor, viewer] = await Promise.all(
      (['admin', 'auditor', 'viewer'] as const).map(async (role) => (await owner.invite(role)).client),
    );
    const statuses = (method: string, path: string, body?: unknown) =>
      Promise.all([admin, auditor, viewer].map(async (client) => (await client?.call(method, path, body))?.status));
    expect(await statuses('GET', '/requests')).toEqual([200, 200, 200]);
    expect(await statuses('GET', '/operators')).toEqual([200, 200, 403]);
    expect(await statuses('GET', '/settings')).toEqual([200, 200, 403]);
    expect(await statuses('POST', '/groups', {})).toEqual([422, 403, 403]);
    expect(await statuses('PATCH', '/settings', {})).toEqual([403, 403, 403]);
    expect(await statuses('POST', '/session/password', {})).toEqual([422, 422, 422]);
  });

  it('are granted by those only who hold them', async () => {
    const { client: admin, operator } = await owner.invite('admin');
    const invite = (fields: object) =>
      admin.call('POST', '/operators', { name: 'x', email: 'x@example.com', role: 'viewer', ...fields });
    expect(code(await invite({ role: 'owner' }))).toBe('not_granted');
    expect(code(await invite({ permissions: ['settings:write'] }))).toBe('not_granted');
    expect(code(await admin.call('PATCH', `/operators/${operator.id}`, { role: 'owner' }))).toBe('not_granted');
    const { data } = (await admin.get('/operators')).body as Page<Operator>;
    const ownerId = data.find(({ role }) => role === 'owner')?.id ?? '';
    expect(code(await admin.call('PATCH', `/operators/${ownerId}`, { enabled: false }))).toBe('not_granted');
    expect(code(await admin.call('DELETE', `/operators/${ownerId}`))).toBe('not_granted');
    expect(code(await admin.call('POST', `/operators/${ownerId}/invite`))).toBe('not_granted');
    expect((await invite({ permissions: ['bodies:read'] })).status).toBe(201);
    expect((await invite({})).status).toBe(409);
  });

  it('leave an owner, whatever happens', async () => {
    const { data } = (await owner.get('/operators')).body as Page<Operator>;
    const id = data.find(({ role }) => role === 'owner')?.id ?? '';
    expect((await owner.call('PATCH', `/operators/${id}`, { role: 'admin' })).status).toBe(409);
    expect((await withToken(ADMIN_TOKEN, 'DELETE', `/operators/${id}`)).status).toBe(409);
    const { operator } = await owner.invite('owner');
    const demoted = await Promise.all(
      [id, operator.id].map((one) => withToken(ADMIN_TOKEN, 'PATCH', `/operators/${one}`, { enabled: false })),
    );
    expect(demoted.map(({ status }) => status).toSorted()).toEqual([200, 409]);
    await Promise.all(
      [id, operator.id].map((one) => withToken(ADMIN_TOKEN, 'PATCH', `/operators/${one}`, { enabled: true })),
    );
    owner = await OperatorClient.signIn(gateway.url, 'owner@example.com');
  });

  it('are withdrawn with the session: whoever may do less signs in again', async () => {
    const { client, operator } = await owner.invite('admin');
    await owner.call('PATCH', `/operators/${operator.id}`, { role: 'viewer' });
    expect((await client.get('/groups')).status).toBe(401);
    const again = await OperatorClient.signIn(gateway.url, operator.email);
    expect((await again.call('POST', '/groups', {})).status).toBe(403);
  });

  it('are in the audit log when they change, without a secret', async () => {
    const { operator } = await owner.invite('auditor');
    await owner.call('PATCH', `/operators/${operator.id}`, { role: 'viewer' });
    await owner.call('DELETE', `/operators/${operator.id}`);
    const entries = await gateway.database.query<{ action: string; actor: string; before: unknown; after: unknown }>(
      `SELECT action, actor, before, after FROM audit_entries WHERE object_type = 'operator' ORDER BY at, id`,
    );
    const own = entries.filter(({ before, after }) => JSON.stringify([before, after]).includes(operator.email));
    expect(own.map(({ action }) => action)).toEqual([
      'operator.create',
      'operator.set_up',
      'operator.update',
      'operator.delete',
    ]);
    expect(own.map(({ actor }) => actor)).toEqual([
      'owner@example.com',
      operator.email,
      'owner@example.com',
      'owner@example.com',
    ]);
    expect(JSON.stringify(entries)).not.toMatch(/argon2|passwordHash|inviteHash/);
    expect(JSON.stringify(entries)).not.toContain(operator.setup_token);
  });
});

describe('a developer without a key', () => {
  it('sees no usage, not even that of requests without one', async () => {
    await fetch(`${gateway.url}/v1/models`, { headers: { authorization: 'Bearer sk-tg-nobody' } });
    const requests = async (client: OperatorClient) =>
      ((await client.get('/usage')).body as Usage).data.reduce((sum, total) => sum + total.requests, 0);
    await eventually('the usage of the refused call', async () => ((await requests(owner)) > 0 ? true : undefined));
    const { client } = await owner.invite('developer');
    expect(await requests(client)).toBe(0);
  });
});

describe('an admin token', () => {
  const issue = async (client: OperatorClient, permissions: string[]) => {
    const name = `token-${Math.random().toString(36).slice(2)}`;
    return client.call('POST', '/tokens', { name, permissions });
  };

  it('does what it says, and no more', async () => {
    const { secret, id } = (await issue(owner, ['groups:read'])).body as IssuedAdminToken;
    expect(secret).toMatch(/^tga-[0-9A-Za-z]{49}$/);
    expect((await withToken(secret, 'GET', '/groups')).status).toBe(200);
    expect((await withToken(secret, 'GET', '/keys')).status).toBe(403);
    expect((await withToken(secret, 'POST', '/groups', { name: 'x' })).status).toBe(403);
    expect((await withToken(secret, 'GET', '/session')).body).toMatchObject({
      kind: 'token',
      actor: expect.any(String),
    });
    expect((await owner.call('DELETE', `/tokens/${id}`)).status).toBe(204);
    expect((await withToken(secret, 'GET', '/groups')).status).toBe(401);
    const dump = await gateway.database.query('SELECT t::text, a::text FROM admin_tokens t CROSS JOIN audit_entries a');
    expect(JSON.stringify(dump)).not.toContain(secret.slice(4));
  });

  it('is made for what its maker may do, can do no more than he, and goes with him', async () => {
    const { client: admin, operator } = await owner.invite('admin');
    expect(code(await issue(admin, ['settings:write']))).toBe('not_granted');
    const { secret } = (await issue(admin, ['groups:read', 'groups:write'])).body as IssuedAdminToken;
    expect((await withToken(secret, 'POST', '/groups', {})).status).toBe(422);
    await owner.call('PATCH', `/operators/${operator.id}`, { role: 'viewer' });
    expect((await withToken(secret, 'POST', '/groups', {})).status).toBe(403);
    expect((await withToken(secret, 'GET', '/groups')).status).toBe(200);
    await owner.call('PATCH', `/operators/${operator.id}`, { enabled: false });
    expect((await withToken(secret, 'GET', '/groups')).status).toBe(401);
    expect((await owner.call('DELETE', `/operators/${operator.id}`)).status).toBe(204);
    expect(await gateway.database.query(`SELECT 1 FROM admin_tokens WHERE last4 = '${secret.slice(-4)}'`)).toEqual([]);
  });

  it('of ADMIN_TOKEN that may do little sees and revokes no others', async () => {
    const made = await withToken(ADMIN_TOKEN, 'POST', '/tokens', { name: 'small', permissions: ['self:write'] });
    const { secret, id } = made.body as IssuedAdminToken;
    expect((await withToken(secret, 'GET', '/tokens')).body).toMatchObject({ data: [] });
    expect((await withToken(secret, 'DELETE', `/tokens/${id}`)).status).toBe(404);
    const wide = await withToken(secret, 'POST', '/tokens', { name: 'wide', permissions: ['keys:write'] });
    expect(code(wide)).toBe('not_granted');
  });
});
