import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import type { Erasure, Request, Usage } from '../../libs/contract/src/index.js';
import { directive } from '../../apps/simulator/src/simulator.js';
import type { Issued } from '../support/admin-client.js';
import { eventually } from '../support/eventually.js';
import { temporaryFolder, TestGateway } from '../support/gateway.js';
import { call, callBody } from '../support/responses-client.js';
import { type Scene, startScene } from '../support/scene.js';

let scene: Scene;
beforeAll(async () => {
  scene = await startScene();
});
afterAll(() => scene.stop());

const uuidOf = (publicId: string) => publicId.slice(4).replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, '$1-$2-$3-$4-$5');

async function begin(subject: object): Promise<Erasure> {
  return scene.gateway.admin.create<Erasure>('/erasures', subject);
}

async function inState(id: string, state: Erasure['state']): Promise<Erasure> {
  return eventually(
    `erasure ${id} ${state}`,
    async () => {
      const erasure = (await scene.gateway.admin.get(`/erasures/${id}`)).body as Erasure;
      return erasure.state === state ? erasure : undefined;
    },
    20_000,
  );
}

/** As if its time had come; another one has the job look. */
async function comesBack(id: string, changes = ''): Promise<void> {
  await scene.gateway.database.query(
    `UPDATE erasures SET next_run_at = now() - interval '1 s' ${changes} WHERE id = $1`,
    [uuidOf(id)],
  );
  await begin({ key_id: `key_${'0'.repeat(32)}` });
}

const PERSON = 'person-4711';
const HEADERS = {
  'user-agent': `${PERSON}/1.0 (laptop)`,
  'session-id': `${PERSON}-session`,
  'x-client-request-id': `${PERSON}-request`,
};

function send({ secret }: Issued, script: object = {}, body: object = {}): ReturnType<typeof call> {
  return call(scene.gateway.url, callBody(`hi ${directive(script)}`, body), { secret, headers: HEADERS });
}

const [FROM, TO] = [-1, 1].map((days) => new Date(Date.now() + days * 86_400_000).toISOString());

async function totals(): Promise<Usage['data']> {
  const answer = await scene.gateway.admin.get(
    `/usage?start=${FROM}&end=${TO}&bucket=total&group_by=group,model,upstream`,
  );
  return (answer.body as Usage).data;
}

async function textOfRows(): Promise<string> {
  const rows = await scene.gateway.database.query<{ text: string }>(
    'SELECT request_log::text AS text FROM request_log',
  );
  return rows.map(({ text }) => text).join('\n');
}

describe('an erasure of a key', () => {
  it('takes what is personal from its rows and from those still on their way, not from later ones, and changes no total', async () => {
    const { gateway } = scene;
    const [erased, other] = await Promise.all([gateway.admin.issueKey(), gateway.admin.issueKey()]);
    const answers = await Promise.all([
      send(erased),
      send(erased, {}, { model: 7 }),
      send(erased, {}, { tools: 'none' }),
      call(gateway.url, null, {
        secret: erased.secret,
        method: 'GET',
        path: `/v1/responses/resp_${PERSON}`,
        headers: HEADERS,
      }),
      call(gateway.url, null, { secret: erased.secret, method: 'GET', path: `/v1/${PERSON}`, headers: HEADERS }),
    ]);
    const kept = await send(other);
    const rows = await Promise.all([...answers, kept].map(({ requestId }) => gateway.row(requestId)));
    expect(rows[0]).toMatchObject({ client: `${PERSON}/1.0`, session_id: `${PERSON}-session`, client_ip: '127.0.0.1' });
    const onItsWay = send(erased, { hold_after_events: 1 });
    await eventually('the held call at the upstream', async () =>
      (await gateway.metric('tollgate_requests_in_flight')) === 1 ? true : undefined,
    );

    const before = await totals();
    const { id } = await begin({ key_id: erased.key.id });
    const first = await inState(id, 'confirming');
    expect(first).toMatchObject({ rows: answers.length, key_id: erased.key.id, erased_until: null });
    expect(await totals()).toEqual(before);
    const row = await gateway.row(answers[0]?.requestId ?? '');
    const nothing = { key_name: null, client: null, client_ip: null, session_id: null, client_request_id: null };
    const whole = rows[0] as Request;
    const tries = whole.upstream_attempts.map((attempt) => ({ ...attempt, problem: null, headers: {} }));
    const ids = { response_id: null, upstream_request_id: null };
    expect(row).toEqual({ ...whole, ...nothing, ...ids, upstream_attempts: tries });
    expect(await gateway.row(kept.requestId)).toEqual(rows.at(-1));

    scene.simulator.release();
    const { requestId } = await onItsWay;
    expect(await gateway.row(requestId)).toMatchObject({ ...nothing, outcome: 'ok', key_id: erased.key.id });
    const later = await send(erased);
    expect(await gateway.row(later.requestId)).toMatchObject({ client: `${PERSON}/1.0` });
    await gateway.database.query('DELETE FROM request_log WHERE id = $1', [uuidOf(later.requestId ?? '')]);
    const text = await textOfRows();
    expect(text.split('\n').filter((line) => line.includes(PERSON) && line.includes(uuidOf(erased.key.id)))).toEqual(
      [],
    );
    const audit = await gateway.database.query<{ action: string }>(
      `SELECT action FROM audit_entries WHERE object_id = $1 ORDER BY id`,
      [uuidOf(id)],
    );
    expect(audit.map(({ action }) => action)).toEqual(['erasure.begin']);
  });
});

describe('an erasure of a group with many rows', () => {
  it('works them off in batches over days, and goes on where it was cut short', async () => {
    const group = randomUUID();
    const publicId = `grp_${group.replaceAll('-', '')}`;
    const insert = (startedAt: string, count: number) =>
      scene.gateway.database.query(
        `INSERT INTO request_log (id, started_at, group_id, client_ip, route, kind, stream, status, outcome, settlement, usage_source,
          duration_ms, attempts, request_bytes, response_bytes)
         SELECT gen_random_uuid(), $1::timestamptz, $2, '10.0.0.1', 'x', 'response', true, 200, 'ok', 'final', 'none', 1, 1, 1, 1
         FROM generate_series(1, $3::int)`,
        [startedAt, group, count],
      );
    await insert('2026-05-01T12:00:00Z', 10);
    await insert('2026-05-03T12:00:00Z', 4_100);
    await insert('2026-05-04T12:00:00Z', 5);
    const cut = '01900000-0000-7000-8000-000000000001';
    await scene.gateway.database.query(
      `INSERT INTO erasures (id, subject_kind, subject, erased_until) VALUES ($1, 'group', $2, '2026-05-02T00:00:00Z')`,
      [cut, group],
    );
    await comesBack(`ers_${cut.replaceAll('-', '')}`);
    expect(await inState(`ers_${cut.replaceAll('-', '')}`, 'confirming')).toMatchObject({
      rows: 4_105,
      group_id: publicId,
    });
    const { id } = await begin({ group_id: publicId });
    expect(await inState(id, 'confirming')).toMatchObject({ rows: 10 });
  });
});

describe('an erasure of a session', () => {
  it('has a second pass for rows that were being written, and knows for a week what the session is called', async () => {
    const { database } = scene.gateway;
    const issued = await scene.gateway.admin.issueKey();
    const sessionId = `session-${randomUUID()}`;
    const headers = { 'session-id': sessionId };
    const { requestId } = await call(scene.gateway.url, callBody('hi'), { secret: issued.secret, headers });
    expect(await scene.gateway.row(requestId)).toMatchObject({ session_id: sessionId });
    const { id } = await begin({ session_id: sessionId });
    expect(await inState(id, 'confirming')).toMatchObject({ session_id: sessionId, rows: 1 });
    expect(await scene.gateway.row(requestId)).toMatchObject({ session_id: null, client_ip: null, status: 200 });
    await database.query('UPDATE request_log SET session_id = $1 WHERE id = $2', [sessionId, uuidOf(requestId ?? '')]);
    await comesBack(id);
    expect(await inState(id, 'done')).toMatchObject({ session_id: sessionId, rows: 2 });
    const audit = await database.query<{ action: string; after: object }>(
      `SELECT action, after FROM audit_entries WHERE object_id = $1 ORDER BY id`,
      [uuidOf(id)],
    );
    expect(audit).toEqual([
      { action: 'erasure.begin', after: { subjectKind: 'session' } },
      { action: 'erasure.end', after: { rows: '2' } },
    ]);

    await comesBack(id, `, created_at = now() - interval '8 days'`);
    await eventually('the name of the session forgotten', async () =>
      ((await scene.gateway.admin.get(`/erasures/${id}`)).body as Erasure).session_id === null ? true : undefined,
    );
    const texts = await database.query<{ text: string }>(
      `SELECT e::text AS text FROM erasures e UNION ALL SELECT a::text FROM audit_entries a
       UNION ALL SELECT r::text FROM request_log r`,
    );
    expect(JSON.stringify(texts)).not.toContain(sessionId);
  });
});

describe('what the journal of a killed gateway has', () => {
  it('does not come back after an erasure', async () => {
    const { database } = scene.gateway;
    const dataDir = temporaryFolder();
    const { secret, key } = await scene.gateway.admin.issueKey();
    const env = { DATA_DIR: dataDir };
    const asked = scene.simulator.nextExchange();
    const killed = await TestGateway.start({ database, env });
    const cut = call(killed.url, callBody(`hi ${directive({ first_delay_ms: 60_000 })}`), { secret, headers: HEADERS });
    const ended = cut.then(
      () => 'answered',
      () => 'cut',
    );
    await asked;
    await killed.stop('SIGKILL');
    expect(await ended).toBe('cut');
    const { id } = await begin({ key_id: key.id });
    expect(await inState(id, 'confirming')).toMatchObject({ rows: 0 });

    const restarted = await TestGateway.start({ database, env });
    try {
      const [row] = await eventually('the row from the journal', async () => {
        const rows = await database.query<object>('SELECT * FROM request_log WHERE key_id = $1', [uuidOf(key.id)]);
        return rows.length > 0 ? rows : undefined;
      });
      expect(row).toMatchObject({
        outcome: 'gateway_crash',
        key_name: null,
        client: null,
        client_ip: null,
        session_id: null,
      });
      expect(JSON.stringify(row)).not.toContain(PERSON);
    } finally {
      await restarted.stop();
      rmSync(dataDir, { recursive: true, force: true });
    }
  });
});

describe('an erasure', () => {
  it.each([{}, { key_id: `key_${'0'.repeat(32)}`, session_id: 's' }, { key_id: 'me' }])(
    'of %j is refused',
    async (body) => {
      expect((await scene.gateway.admin.post('/erasures', body)).status).toBe(422);
    },
  );

  it('is found by its id and in the list', async () => {
    const { id } = await begin({ session_id: 'nobody' });
    const { data } = (await scene.gateway.admin.get('/erasures?limit=1')).body as { data: Erasure[] };
    expect(data[0]).toMatchObject({ id, session_id: 'nobody' });
    expect((await scene.gateway.admin.get(`/erasures/ers_${'0'.repeat(32)}`)).status).toBe(404);
  });
});
