import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import pg from 'pg';
import type { Group, IssuedKey, LedgerEntry, Problem } from '../../libs/contract/src/index.js';
import { IdempotencyKeys } from '../../apps/gateway/src/idempotency/idempotency-keys.js';
import type { AdminAnswer } from '../support/admin-client.js';
import { eventually } from '../support/eventually.js';
import { ADMIN_TOKEN, MASTER_KEY } from '../support/gateway.js';
import { sendRaw } from '../support/raw-socket.js';
import { ReplicaPair } from '../support/replica-pair.js';
import { call } from '../support/responses-client.js';

let replicas: ReplicaPair;
let group: Group;
let pool: pg.Pool;
let keys: IdempotencyKeys;

beforeAll(async () => {
  replicas = await ReplicaPair.start();
  group = await replicas.one.admin.create<Group>('/groups', { name: 'team', models: ['*'] });
  pool = new pg.Pool({ connectionString: replicas.database.url });
  keys = new IdempotencyKeys({ pool }, Buffer.from(MASTER_KEY, 'base64'));
});
afterAll(async () => {
  await pool.end();
  await replicas.stop();
});

const withKey = (key: string) => ({ 'idempotency-key': key });
const codeOf = ({ body }: AdminAnswer) => (body as Problem).code;
/** What operators did: alerts come by themselves. */
const audits = () => count(`audit_entries WHERE actor <> 'system'`);
const isReplayed = ({ headers }: AdminAnswer) => headers.get('idempotency-replayed') === 'true';

async function count(sql: string, ...values: unknown[]): Promise<number> {
  const [row] = await replicas.database.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${sql}`, values);
  return row?.n ?? NaN;
}

const keysNamed = (name: string) => count('api_keys WHERE name = $1', name);
const auditsOf = (name: string) => count(`audit_entries WHERE action = 'key.create' AND after->>'name' = $1`, name);

describe('fifty twins at once, on two replicas', () => {
  it('make one key; each of them is told its secret, or to come again', async () => {
    const headers = withKey(randomUUID());
    const body = { name: 'twins', group_id: group.id };
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        (index % 2 === 0 ? replicas.one : replicas.other).admin.post('/keys', body, headers),
      ),
    );
    expect(await keysNamed('twins')).toBe(1);
    expect(await auditsOf('twins')).toBe(1);
    const told = answers.filter(({ status }) => status === 201);
    for (const late of answers.filter(({ status }) => status !== 201)) {
      expect([late.status, codeOf(late)]).toEqual([409, 'idempotency_request_in_progress']);
      expect(late.headers.get('retry-after')).toBe('1');
    }
    expect(told.filter((answer) => !isReplayed(answer))).toHaveLength(1);
    const again = await replicas.other.admin.post('/keys', body, headers);
    const { secret } = again.body as IssuedKey;
    for (const { body: same } of told) expect(same).toEqual(again.body);
    expect(secret).toMatch(/^sk-tg-/);
    expect((await call(replicas.one.url, null, { secret, path: '/v1/models', method: 'GET' })).status).toBe(200);
  });
});

describe('a twin of what has succeeded', () => {
  it.each<[string, () => Promise<[string, object | undefined]>]>([
    ['a group', async () => ['/groups', { name: 'once' }]],
    ['an upstream', async () => ['/upstreams', { name: 'once', base_url: 'http://127.0.0.1:9', credential: 'sk-1' }]],
    ['a webhook', async () => ['/webhooks', { name: 'once', url: 'http://127.0.0.1:9/', types: [] }]],
    ['a top-up', async () => [`/balances/${group.id}/entries`, { kind: 'top_up', amount_usd: '5', reason: 'x' }]],
    ['an erasure', async () => ['/erasures', { session_id: 'gone' }]],
    ['a rotation', async () => [`/keys/${(await replicas.one.admin.issueKey()).key.id}/rotate`, undefined]],
  ])('gets the same answer at another replica, and does nothing: %s', async (_, make) => {
    const [path, body] = await make();
    const headers = withKey(randomUUID());
    const first = await replicas.one.admin.post(path, body, headers);
    expect(first.status).toBeLessThan(300);
    const audited = await audits();
    const second = await replicas.other.admin.post(path, body, headers);
    expect([second.status, second.body]).toEqual([first.status, first.body]);
    expect(second.headers.get('etag')).toBe(first.headers.get('etag'));
    expect(second.headers.get('x-request-id')).not.toBe(first.headers.get('x-request-id'));
    expect([isReplayed(first), isReplayed(second)]).toEqual([false, true]);
    expect(await audits()).toBe(audited);
  });

  it('is one in whatever way its body is laid out, and none with another body, path or query', async () => {
    const headers = { ...withKey(randomUUID()), authorization: `Bearer ${ADMIN_TOKEN}` };
    const send = (path: string, body: string) =>
      fetch(`${replicas.one.url}/admin/v1${path}`, { method: 'POST', headers, body });
    expect((await send('/groups', '{"name":"laid out"}')).status).toBe(201);
    expect((await send('/groups', '{\n  "name": "laid out"\n}')).headers.get('idempotency-replayed')).toBe('true');
    const audited = await audits();
    for (const [path, body] of [
      ['/groups', '{"name":"other"}'],
      ['/models', '{"name":"laid out"}'],
      ['/groups?x=1', '{"name":"laid out"}'],
    ] as const) {
      const refused = await send(path, body);
      expect([refused.status, ((await refused.json()) as Problem).code]).toEqual([422, 'idempotency_key_reused']);
    }
    expect(await audits()).toBe(audited);
  });
});

describe('a twin of what was refused', () => {
  it('is performed, as nothing was changed', async () => {
    const headers = withKey(randomUUID());
    const { admin } = replicas.one;
    expect((await admin.post('/groups', { name: '' }, headers)).status).toBe(422);
    expect((await admin.post('/groups', { name: 'team' }, headers)).status).toBe(409);
    await admin.patch(`/groups/${group.id}`, { name: 'renamed' });
    const made = await admin.post('/groups', { name: 'team' }, headers);
    expect([made.status, isReplayed(made)]).toEqual([201, false]);
  });
});

describe('a client that leaves before it is answered', () => {
  it('gets the answer when it comes again, and the write was done once', async () => {
    const key = randomUUID();
    const body = { name: 'left', group_id: group.id };
    const holder = await pool.connect();
    try {
      await holder.query('BEGIN; LOCK TABLE api_keys IN SHARE ROW EXCLUSIVE MODE');
      await sendAndLeave(replicas.one.url, key, JSON.stringify(body));
      await eventually('the request to be under way', async () =>
        (await count('idempotency_keys WHERE key = $1', key)) === 1 ? true : undefined,
      );
    } finally {
      await holder.query('COMMIT');
      holder.release();
    }
    const answer = await eventually('the answer', async () => {
      const again = await replicas.other.admin.post('/keys', body, withKey(key));
      return again.status === 409 ? undefined : again;
    });
    expect([answer.status, isReplayed(answer)]).toEqual([201, true]);
    expect(await keysNamed('left')).toBe(1);
    expect(await auditsOf('left')).toBe(1);
  });
});

describe('a gateway that dies while it performs a request', () => {
  it('holds twins off for a while, and then one of them is performed', async () => {
    const key = randomUUID();
    const body = { name: 'after a crash' };
    // As a process that is no more would have left it.
    const request = { actor: 'admin_token', key, content: JSON.stringify(['POST', '/admin/v1/groups', body]) };
    expect(await keys.claim(request)).toMatchObject({ is: 'claimed' });
    const early = await replicas.one.admin.post('/groups', body, withKey(key));
    expect([early.status, codeOf(early)]).toEqual([409, 'idempotency_request_in_progress']);
    expect(await count('groups WHERE name = $1', body.name)).toBe(0);
    await replicas.database.query(`UPDATE idempotency_keys SET claimed_until = now() WHERE key = $1`, [key]);
    const other = await replicas.one.admin.post('/groups', { name: 'not this' }, withKey(key));
    expect(codeOf(other)).toBe('idempotency_key_reused');
    const late = await replicas.one.admin.post('/groups', body, withKey(key));
    expect([late.status, isReplayed(late)]).toEqual([201, false]);
  });
});

describe('the key', () => {
  it.each([
    ['empty', ''],
    ['too long', 'k'.repeat(256)],
    ['not ASCII', 'clé'],
  ])('is refused when it is %s', async (_, key) => {
    const answer = await replicas.one.admin.post('/groups', { name: `refused ${key.length}` }, withKey(key));
    expect(answer.status).toBe(400);
    expect(answer.body).toMatchObject({ code: 'invalid_header', errors: [{ path: 'Idempotency-Key' }] });
  });

  it('is refused when there are two of them', async () => {
    const answer = await sendRaw(replicas.one.url, rawPost('a\r\nIdempotency-Key: b', '{"name":"two keys"}'));
    expect(answer.status).toBe(400);
    expect(await count(`groups WHERE name = 'two keys'`)).toBe(0);
  });

  it('may have 255 characters, spaces and quotes among them', async () => {
    const headers = withKey(`"${'a b '.repeat(63)}"x`.slice(0, 255));
    const first = await replicas.one.admin.post('/groups', { name: 'long' }, headers);
    const second = await replicas.one.admin.post('/groups', { name: 'long' }, headers);
    expect([first.status, second.status, isReplayed(second)]).toEqual([201, 201, true]);
  });

  it('means nothing to what may be repeated anyway', async () => {
    const headers = withKey(randomUUID());
    const path = `/groups/${group.id}`;
    for (const description of ['one', 'two']) {
      const answer = await replicas.one.admin.patch(path, { description }, headers);
      expect(answer.body).toMatchObject({ description });
    }
    expect(isReplayed(await replicas.one.admin.get(path, headers))).toBe(false);
    expect(await count('idempotency_keys WHERE key = $1', headers['idempotency-key'])).toBe(0);
  });
});

describe('the table', () => {
  it('tells nothing of what was asked or answered without MASTER_KEY', async () => {
    const headers = withKey('what is kept');
    const body = { name: 'kept', base_url: 'http://127.0.0.1:9', credential: 'sk-very-secret' };
    await replicas.one.admin.post('/upstreams', body, headers);
    const { secret } = (await replicas.one.admin.post('/keys', { name: 'kept', group_id: group.id }, withKey('kept')))
      .body as IssuedKey;
    const rows = await replicas.database.query<{ actor: string; fingerprint: Buffer; answer_sealed: Buffer }>(
      `SELECT * FROM idempotency_keys WHERE key IN ('kept', 'what is kept')`,
    );
    expect(rows).toHaveLength(2);
    for (const row of rows) {
      const text = `${row.fingerprint.toString('latin1')}${row.answer_sealed.toString('latin1')}${JSON.stringify(row)}`;
      for (const told of [secret, secret.slice(6), 'very-secret', 'base_url', '127.0.0.1'])
        expect(text).not.toContain(told);
    }
    const stranger = new IdempotencyKeys({ pool }, Buffer.alloc(32, 1));
    const request = { actor: 'admin_token', key: 'kept', content: '' };
    expect(await stranger.claim(request)).toEqual({ is: 'reused' });
  });

  it('has keys of each caller apart', async () => {
    const claims = ['ann', 'bob'].map((actor) => keys.claim({ actor, key: 'same', content: actor }));
    expect((await Promise.all(claims)).map(({ is }) => is)).toEqual(['claimed', 'claimed']);
    expect(await keys.claim({ actor: 'ann', key: 'same', content: 'bob' })).toEqual({ is: 'reused' });
  });

  it('gives an answer only to the row that it was kept for', async () => {
    const one = { actor: 'ann', key: 'moved from', content: 'x' };
    const claimed = await keys.claim(one);
    if (claimed.is !== 'claimed') throw new Error(claimed.is);
    const answer = { status: 201, headers: { etag: '"1"' }, body: { secret: 's' } };
    await keys.answer(claimed.claim, answer);
    expect(await keys.claim(one)).toEqual({ is: 'answered', answer });
    await replicas.database.query(`UPDATE idempotency_keys SET actor = 'eve' WHERE key = 'moved from'`);
    await expect(keys.claim({ ...one, actor: 'eve' })).rejects.toThrow();
  });

  it('lets a claim be renewed and released by who has it, and nobody else', async () => {
    const request = { actor: 'ann', key: 'claimed', content: 'x' };
    const claimed = await keys.claim(request);
    if (claimed.is !== 'claimed') throw new Error(claimed.is);
    const expire = () =>
      replicas.database.query(`UPDATE idempotency_keys SET claimed_until = now() WHERE key = 'claimed'`);
    await expire();
    await keys.renew(claimed.claim);
    expect(await keys.claim(request)).toEqual({ is: 'running' });
    await expire();
    const other = await keys.claim(request);
    if (other.is !== 'claimed') throw new Error(other.is);
    // Whoever was taken for dead is not heard any more.
    await keys.release(claimed.claim);
    await keys.answer(claimed.claim, { status: 201, headers: {}, body: 'late' });
    expect(await keys.claim(request)).toEqual({ is: 'running' });
    await keys.release(other.claim);
    expect(await keys.claim(request)).toMatchObject({ is: 'claimed' });
  });

  it('forgets what is older than a day: at once for who comes again, for good by the hour', async () => {
    const request = { actor: 'ann', key: 'yesterday', content: 'x' };
    await keys.claim(request);
    const age = () =>
      replicas.database.query(
        `UPDATE idempotency_keys SET created_at = now() - interval '25 hours' WHERE key = 'yesterday'`,
      );
    await age();
    expect(await keys.claim({ ...request, content: 'another' })).toMatchObject({ is: 'claimed' });
    await age();
    const young = await count('idempotency_keys');
    expect(await keys.deleteOld()).toBe(false);
    expect(await count('idempotency_keys')).toBe(young - 1);
  });
});

describe('the balance of a group', () => {
  it('is topped up once by a client that does not know whether it was', async () => {
    const { id } = await replicas.one.admin.create<Group>('/groups', { name: 'paid' });
    const top = () =>
      replicas.one.admin.post(
        `/balances/${id}/entries`,
        { kind: 'top_up', amount_usd: '20' },
        withKey(`invoice-7-${id}`),
      );
    const entries = [await top(), await top(), await top()].map(({ body }) => body as LedgerEntry);
    expect(new Set(entries.map((entry) => entry.id)).size).toBe(1);
    expect((await replicas.one.admin.get(`/balances/${id}`)).body).toMatchObject({ balance_usd: '20' });
  });
});

function rawPost(key: string, body: string, path = '/groups'): string {
  return [
    `POST /admin/v1${path} HTTP/1.1`,
    'Host: x',
    `Authorization: Bearer ${ADMIN_TOKEN}`,
    'Content-Type: application/json',
    `Idempotency-Key: ${key}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    '',
    body,
  ].join('\r\n');
}

async function sendAndLeave(url: string, key: string, body: string): Promise<void> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  await new Promise((resolve) => socket.write(rawPost(key, body, '/keys'), resolve));
  socket.destroy();
}
