import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ErasedBodies, Problem, RequestBody } from '../../libs/contract/src/index.js';
import { applyMigrations } from '../../libs/database/src/migrations.js';
import { newId } from '../../libs/runtime/src/index.js';
import { directive } from '../../apps/simulator/src/simulator.js';
import type { AdminAnswer, Issued } from '../support/admin-client.js';
import { type CutOffScene, startCutOffScene } from '../support/cut-off-scene.js';
import type { TestDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { temporaryFolder, type TestGateway } from '../support/gateway.js';
import { type Answer, call, callBody, eventsOf } from '../support/responses-client.js';
import { StreamClient } from '../support/stream-client.js';

const DAY_MS = 86_400_000;
const OLD_AT_MS = Date.now() - 9 * DAY_MS;
const OLD_DAY = new Date(OLD_AT_MS).toISOString().slice(0, 10);
const OLD_ID = newId(OLD_AT_MS);
const SHORT_ID = newId();
/** An error of the client's, without an upstream. */
const NOT_JSON = '{"model": "gpt-5.5", "input": "half';

let scene: CutOffScene;
let gateway: TestGateway;
let dataDir: string;
/** A key whose group stores every body. */
let always: Issued;

beforeAll(async () => {
  dataDir = temporaryFolder();
  scene = await startCutOffScene({ DATA_DIR: dataDir }, withWhatIsOver);
  ({ gateway } = scene);
  always = await issue({ capture: 'always' });
});
afterAll(async () => {
  await scene.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

const issue = (policy: object, group: object = {}, key: object = {}) =>
  gateway.admin.issueKey({ group: { body_policy: policy, ...group }, key });
const send = (input: string, { secret }: { secret: string }, fields: object = {}) =>
  call(gateway.url, callBody(input, fields), { secret });

/** The stored bodies of a request; waits until they have arrived. */
function bodyOf(requestId: string): Promise<RequestBody> {
  return eventually(`a body of ${requestId}`, async () => {
    const { status, body } = await gateway.admin.get(`/requests/${requestId}/body`);
    return status === 200 ? (body as RequestBody) : undefined;
  });
}

/** Waits until these requests are logged, and their bodies stored if ever: those that were sent later are. */
async function arrived(...requestIds: string[]): Promise<void> {
  for (const id of requestIds) await gateway.row(id);
  await bodyOf((await send('a later one', always)).requestId);
}

async function shownOf(requestId: string): Promise<unknown> {
  return (await gateway.admin.get(`/requests/${requestId}/body`)).body;
}

/** Why a request has no body. */
async function absenceOf(requestId: string): Promise<Problem> {
  await arrived(requestId);
  const answer = await gateway.admin.get(`/requests/${requestId}/body`);
  expect(answer.status).toBe(404);
  return answer.body as Problem;
}

describe('bodies', () => {
  it('are stored as they were sent: a request, and an answer in JSON', async () => {
    const sent = '{ "input" :"h\\u0069", "stream":false,\n "model": "gpt-5.5", "unknown": 12345678901234567890 }';
    const answer = await call(gateway.url, sent, { secret: always.secret });
    const body = await bodyOf(answer.requestId);
    expect(body).toMatchObject({
      request_id: answer.requestId,
      request: { text: sent, bytes: sent.length, is_truncated: false, is_redacted: false },
      response: { text: answer.body.toString(), bytes: answer.body.length, is_truncated: false },
      events: null,
    });
    expect(Date.parse(body.expires_at) - Date.parse(body.started_at)).toBe(7 * DAY_MS);
  });

  it('are stored as events, each with its time, when the answer is a stream', async () => {
    const client = await StreamClient.open(gateway, callBody(`hi ${directive({ deltas: 4, hold_after_events: 3 })}`), {
      secret: always.secret,
    });
    await client.until('response.output_item.added');
    const heldAtMs = performance.now();
    await new Promise((resolve) => setImmediate(resolve));
    const releasedAfterMs = performance.now() - heldAtMs;
    scene.simulator.release();
    await client.end();
    const { events, response } = await bodyOf(client.requestId);
    expect(response).toBeNull();
    const told = eventsOf(client.body);
    expect(events?.data.map(({ data }) => data && (JSON.parse(data) as object))).toEqual(told);
    expect(events?.data.map(({ event }) => event)).toEqual(told.map(({ type }) => type));
    const times = events?.data.map(({ at_ms: atMs }) => atMs) ?? [];
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(Math.floor(releasedAfterMs));
    const { duration_ms: durationMs } = await gateway.row(client.requestId);
    expect(times.at(-1)).toBeLessThanOrEqual(durationMs);
  });

  it('of a client that leaves in the middle are what it got until then', async () => {
    const client = await StreamClient.open(gateway, callBody(`hi ${directive({ deltas: 4, hold_after_events: 5 })}`), {
      secret: always.secret,
    });
    await client.until('response.output_text.delta');
    client.leave();
    const { events, request } = await bodyOf(client.requestId);
    expect(request?.text).toContain('hold_after_events');
    const types = events?.data.map(({ event }) => event);
    expect(types).toContain('response.output_text.delta');
    expect(types).not.toContain('response.completed');
    expect((await gateway.row(client.requestId)).outcome).toBe('client_left');
  });

  it('are cut to max_bytes, which is told together with their true size', async () => {
    const owner = await issue({ capture: 'always', max_bytes: 2_000 });
    const input = `${'x'.repeat(5_000)} ${directive({ deltas: 40 })}`;
    const streamed = await send(input, owner);
    const { request, events } = await bodyOf(streamed.requestId);
    const sent = callBody(input);
    expect(request).toMatchObject({ text: sent.slice(0, 2_000), bytes: sent.length, is_truncated: true });
    expect(events).toMatchObject({ bytes: streamed.body.length, is_truncated: true });
    const kept = events?.data.map(({ data }) => data ?? '').join('') ?? '';
    expect(kept.length).toBeGreaterThan(0);
    expect(kept.length).toBeLessThan(2_000);
    const whole = await send(`${input.slice(0, 5_000)} ${directive({ deltas: 900 })}`, owner, { stream: false });
    const { response } = await bodyOf(whole.requestId);
    expect(response?.text).toHaveLength(2_000);
    expect(response?.is_truncated).toBe(true);
  });

  it('come with what Codex tells of its user’s work, which is nowhere else', async () => {
    const metadata = `{"cwd":"/home/${randomBytes(8).toString('hex')}","remote":"git@host:a.git"}`;
    const headers = {
      'x-codex-turn-metadata': metadata,
      'x-codex-turn-state': 'opaque',
      cookie: 'a=b',
      'x-other': 'c',
    };
    const sent = [always, scene].map(({ secret }) => call(gateway.url, callBody('hello'), { secret, headers }));
    const [stored, other] = (await Promise.all(sent)) as [Answer, Answer];
    expect((await bodyOf(stored.requestId)).request?.headers).toEqual([
      { name: 'x-codex-turn-metadata', value: metadata },
    ]);
    expect(await absenceOf(other.requestId)).toMatchObject({ code: 'body_not_stored' });
    expect(await placesOf('git@host')).toEqual([]);
    const details = await Promise.all([stored, other].map(({ requestId }) => gateway.row(requestId)));
    expect(details).toMatchObject([{ has_body: true }, { has_body: false }]);
  });
});

describe('a policy', () => {
  const NEVER = 'has capture never';
  const policies: [name: string, group: object, key: object | null, ok: true | string, error: true | string][] = [
    ['never', { capture: 'never' }, null, `group ${NEVER}`, `group ${NEVER}`],
    ['errors', { capture: 'errors' }, null, 'capture errors, and this request is none (ok)', true],
    ['sample of nothing', { capture: 'sample', sample_percent: 0 }, null, 'with 0 %, and this', 'with 0 %, and this'],
    ['sample of all', { capture: 'sample', sample_percent: 100 }, null, true, true],
    ['always', { capture: 'always' }, null, true, true],
    ['always, but never of a key', { capture: 'always' }, { capture: 'never' }, `key ${NEVER}`, `key ${NEVER}`],
    ['never, but always of a key', { capture: 'never' }, { capture: 'always' }, true, true],
  ];

  it('stores just what it says, and the answer for the rest says why it is not there', async () => {
    const sent = await Promise.all(
      policies.map(async ([name, group, key, ok, error]) => {
        const owner = await issue(group, {}, key ? { body_policy: key } : {});
        const fine = await send('hello', owner);
        const wrong = await call(gateway.url, NOT_JSON, { secret: owner.secret });
        return { name, fine, wrong, ok, error };
      }),
    );
    await arrived(...sent.flatMap(({ fine, wrong }) => [fine.requestId, wrong.requestId]));
    for (const { name, fine, wrong, ok, error } of sent) {
      const [ofFine, ofWrong] = await Promise.all([shownOf(fine.requestId), shownOf(wrong.requestId)]);
      if (ok === true) expect([name, ofFine]).toMatchObject([name, { events: { bytes: fine.body.length } }]);
      else expect([name, ofFine]).toEqual([name, expect.objectContaining({ detail: expect.stringContaining(ok) })]);
      const refusal = { request: { text: NOT_JSON }, response: { text: wrong.body.toString() } };
      if (error === true) expect([name, ofWrong]).toMatchObject([name, refusal]);
      else expect([name, ofWrong]).toEqual([name, expect.objectContaining({ detail: expect.stringContaining(error) })]);
    }
  });

  it('is in force at once when it changes, and is shown as it was set', async () => {
    const owner = await issue({ capture: 'never' });
    expect(owner.group).toMatchObject({
      body_policy: { capture: 'never', max_bytes: 1_048_576, retention_days: null },
    });
    expect(owner.key.body_policy).toBeNull();
    const set = await gateway.admin.patch(`/keys/${owner.key.id}`, { body_policy: { capture: 'always' } });
    expect(set.body).toMatchObject({ body_policy: { capture: 'always' } });
    await bodyOf((await send('hello', owner)).requestId);
    await gateway.admin.patch(`/keys/${owner.key.id}`, { body_policy: null });
    await absenceOf((await send('hello', owner)).requestId);
  });

  it.each([
    [{ body_policy: { capture: 'some' } }, 'body_policy.capture'],
    [{ body_policy: { capture: 'always', max_bytes: 1e9 } }, 'body_policy.max_bytes'],
    [{ redact: { patterns: ['(a'] } }, 'redact.patterns.0'],
    [{ redact: { patterns: ['a*'] } }, 'redact.patterns.0'],
    [{ redact: { patterns: ['a'.repeat(301)] } }, 'redact.patterns.0'],
    [{ redact: { json_paths: ['$.ok', 'metadata.user'] } }, 'redact.json_paths.1'],
  ])('that makes no sense is refused by name: %j', async (change, path) => {
    const answer = await gateway.admin.patch(`/groups/${always.group.id}`, change);
    expect(answer).toMatchObject({ status: 422, body: { errors: [{ path }] } });
  });
});

describe('a secret', () => {
  it('that a rule of its group names is not stored, in whatever form it passes', async () => {
    const canary = `canary ${randomBytes(4).toString('hex')} ${randomBytes(4).toString('hex')}`;
    const redact = { patterns: ['canary( [0-9a-f]{8}){2}'], json_paths: ['$.metadata.user', '$.output[*].id'] };
    const owner = await issue({ capture: 'always' }, { redact });
    const script = directive({ text: `it is ${canary} .` });
    const fields = { metadata: { user: 'ms-lovelace' }, instructions: `sk-proj-${'a1'.repeat(20)}` };
    for (const stream of [true, false]) {
      const answer = await send(`${canary} ${script}`, owner, { ...fields, stream });
      expect(answer.body.toString()).toContain(canary);
      const body = await bodyOf(answer.requestId);
      const text = JSON.stringify(body);
      expect(text).not.toMatch(/canary|[0-9a-f]{8} [0-9a-f]{8}|lovelace|sk-proj/);
      expect(body.request).toMatchObject({ is_redacted: true });
      expect(body.request?.text).toContain('"metadata":{"user":"[redacted]"}');
      expect(stream ? body.events : body.response).toMatchObject({ is_redacted: true });
      const deltas = body.events?.data.map(({ data }) => (JSON.parse(data ?? '{}') as { delta?: string }).delta ?? '');
      if (deltas) expect(deltas.join('')).toContain('it is [redacted] .');
    }
  });

  it('is nowhere but in the encrypted body, however its request ends', async () => {
    const canary = `canary-${randomBytes(12).toString('hex')}`;
    const faults: object[] = [
      {},
      { fault: { kind: 'status', status: 400, message: 'Not like this.' } },
      { fault: { kind: 'status', status: 500 } },
      { fault: { kind: 'break_off', after_events: 4 } },
      { fault: { kind: 'failed' } },
    ];
    const answers: Answer[] = [];
    for (const fault of faults) {
      answers.push(await send(`${canary} ${directive({ text: canary, ...fault })}`, always));
    }
    answers.push(await call(gateway.url, NOT_JSON.replace('half', canary), { secret: always.secret }));
    const leaving = await StreamClient.open(gateway, callBody(`${canary} ${directive({ hold_after_events: 4 })}`), {
      secret: always.secret,
    });
    leaving.leave();
    const ids = [...answers.map(({ requestId }) => requestId), leaving.requestId];
    for (const id of ids) expect((await bodyOf(id)).request?.text).toContain(canary);
    for (const id of ids) expect(JSON.stringify(await gateway.row(id))).not.toContain(canary);
    expect(await placesOf(canary)).toEqual([]);
  });
});

describe('bodies that were erased', () => {
  const erase = async (query: string): Promise<ErasedBodies> => {
    const { status, body } = await gateway.admin.delete(`/bodies?${query}`);
    expect(status).toBe(200);
    return body as ErasedBodies;
  };

  it('of a key are gone, those of a request that is still running included; those of others stay', async () => {
    const [owner, other] = [await issue({ capture: 'always' }), await issue({ capture: 'always' })];
    const ids = [(await send('one', owner)).requestId, (await send('two', owner)).requestId];
    const kept = await send('other', other);
    for (const id of [...ids, kept.requestId]) await bodyOf(id);
    const running = await StreamClient.open(gateway, callBody(`three ${directive({ hold_after_events: 2 })}`), owner);
    expect(await erase(`key=${owner.key.id}`)).toMatchObject({ bodies: 4 });
    scene.simulator.release();
    await running.end();
    for (const id of [...ids, running.requestId]) expect(await absenceOf(id)).toMatchObject({ code: 'body_erased' });
    await bodyOf(kept.requestId);
    await bodyOf((await send('later', owner)).requestId);
    expect(await gateway.metric('tollgate_bodies_lost_total{reason="erased"}')).toBeGreaterThan(0);
  });

  it('of a group are gone', async () => {
    const owner = await issue({ capture: 'always' });
    const { requestId } = await send('one', owner);
    await bodyOf(requestId);
    expect(await erase(`group=${owner.group.id}`)).toMatchObject({ bodies: 2 });
    expect(await absenceOf(requestId)).toMatchObject({ code: 'body_erased' });
  });

  it('go with the personal data of their key or session', async () => {
    const owner = await issue({ capture: 'always' });
    const headers = { 'session-id': `session-${owner.key.id}` };
    const ofSession = await call(gateway.url, callBody('one'), { secret: owner.secret, headers });
    const other = await send('two', owner);
    for (const { requestId } of [ofSession, other]) await bodyOf(requestId);
    await gateway.row(ofSession.requestId);
    const statusOf = async ({ requestId }: { requestId: string }) =>
      (await gateway.admin.get(`/requests/${requestId}/body`)).status;
    await gateway.admin.create('/erasures', { session_id: headers['session-id'] });
    expect([await statusOf(ofSession), await statusOf(other)]).toEqual([404, 200]);
    await gateway.admin.create('/erasures', { key_id: owner.key.id });
    expect(await statusOf(other)).toBe(404);
  });

  it('of a day are rows that nobody can read any more, as their key is no more', async () => {
    const before = await send('one', always);
    await bodyOf(before.requestId);
    const day = (await gateway.row(before.requestId)).started_at.slice(0, 10);
    expect(await erase(`day=${day}`)).toMatchObject({ bodies: null });
    expect(await absenceOf(before.requestId)).toMatchObject({ status: 404, code: 'body_erased' });
    expect(
      await scene.database.query('SELECT 1 FROM request_bodies WHERE request_id = $1', [uuidOf(before)]),
    ).toHaveLength(2);
    const audited = await scene.database.query<{ after: object }>(
      `SELECT after FROM audit_entries WHERE action = 'bodies.erase' AND object_type = 'day'`,
    );
    expect(audited).toMatchObject([{ after: { day } }]);
  });

  it('have to be named by exactly one of key, group and day', async () => {
    const problems: AdminAnswer[] = [];
    for (const query of ['', 'day=yesterday', `day=2026-11-25&key=${always.key.id}`]) {
      problems.push(await gateway.admin.delete(`/bodies?${query}`));
    }
    expect(problems.map(({ status }) => status)).toEqual([422, 422, 422]);
  });
});

describe('without PostgreSQL', () => {
  it('bodies wait, and are stored when it is back', async () => {
    scene.cable.cut();
    const answer = await send('while it is away', always);
    expect(answer.status).toBe(200);
    scene.cable.mend();
    expect((await bodyOf(answer.requestId)).request?.text).toContain('while it is away');
    await eventually('memory that is given back', async () =>
      (await gateway.metric('tollgate_bodies_held_bytes')) === 0 ? true : undefined,
    );
  });
});

describe('bodies whose time is over', () => {
  it('cannot be read any more', async () => {
    const owner = await issue({ capture: 'always', retention_days: 1 });
    const { requestId } = await send('hello', owner);
    const body = await bodyOf(requestId);
    expect(Date.parse(body.expires_at) - Date.parse(body.started_at)).toBe(DAY_MS);
    await scene.database.query('UPDATE request_bodies SET keep_until = now() WHERE request_id = $1', [
      uuidOf({ requestId }),
    ]);
    expect(await absenceOf(requestId)).toMatchObject({ code: 'body_expired' });
    const tooOld = await gateway.admin.get(`/requests/req_${OLD_ID.replaceAll('-', '')}/body`);
    expect(tooOld).toMatchObject({ status: 404, body: { code: 'body_expired' } });
  });

  it('go with their day and its keys, and by themselves if they are to be kept for a shorter time', async () => {
    const { database } = scene;
    const partition = `request_bodies_${OLD_DAY.replaceAll('-', '')}`;
    await eventually('an end of it', async () => {
      const left = await database.query(
        `SELECT 1 FROM body_keys WHERE id = $1 UNION ALL SELECT 1 FROM pg_class WHERE relname = $2
         UNION ALL SELECT 1 FROM request_bodies WHERE request_id = $3`,
        [OLD_ID, partition, SHORT_ID],
      );
      return left.length === 0 ? true : undefined;
    });
  });
});

/** As it was when the gateway started; what is over goes at the start, as it does every hour. */
async function withWhatIsOver(database: TestDatabase): Promise<void> {
  await applyMigrations(database.url, join(__dirname, '../../prisma/migrations'));
  await database.query(`SELECT create_partitions('request_bodies', 'started_at', 'day', $1::date, 1)`, [OLD_DAY]);
  await database.query(`INSERT INTO body_keys VALUES ($1, $2, '')`, [OLD_ID, OLD_DAY]);
  await database.query(
    `INSERT INTO request_log (id, started_at, route, kind, stream, status, outcome, settlement, usage_source, duration_ms, attempts, request_bytes, response_bytes)
     VALUES ($1, $2, 'x', 'other', false, 200, 'ok', 'final', 'none', 1, 0, 0, 0)`,
    [OLD_ID, new Date(OLD_AT_MS)],
  );
  await database.query(
    `INSERT INTO request_bodies VALUES (now(), $1, 'request', $1, $1, $1, 'br', 1, 1, false, false, now(), '')`,
    [SHORT_ID],
  );
}

function uuidOf({ requestId }: { requestId: string }): string {
  return requestId.replace('req_', '').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** Where a text can be found: in which table, in which file of DATA_DIR, in what the gateway prints or shows. */
async function placesOf(text: string): Promise<string[]> {
  const found: string[] = [];
  const tables = await scene.database.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`,
  );
  for (const { name } of tables) {
    const rows = await scene.database.query(
      `SELECT 1 FROM "${name}" t WHERE t::text LIKE $1 OR t::text LIKE $2 LIMIT 1`,
      [`%${text}%`, `%${Buffer.from(text).toString('hex')}%`],
    );
    if (rows.length > 0) found.push(`table ${name}`);
  }
  const files = readdirSync(dataDir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  for (const { parentPath, name } of files) {
    if (readFileSync(join(parentPath, name)).includes(text)) found.push(`file ${name}`);
  }
  if (gateway.output().includes(text)) found.push('output');
  if ((await (await fetch(`${gateway.url}/metrics`)).text()).includes(text)) found.push('metrics');
  return found;
}
