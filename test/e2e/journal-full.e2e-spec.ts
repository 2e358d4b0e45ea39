import { type CutOffScene, startCutOffScene } from '../support/cut-off-scene.js';
import { eventually } from '../support/eventually.js';
import { type Answer, call, callBody } from '../support/responses-client.js';

const AT_ONCE = 50;

let scene: CutOffScene;

beforeAll(async () => {
  scene = await startCutOffScene({ JOURNAL_MAX_MB: '1' });
});
afterAll(() => scene.stop());

describe('a journal that is full', () => {
  it('gives up bodies first, then refuses model requests until PostgreSQL is back, and loses no row', async () => {
    const { gateway, secret, cable, database } = scene;
    const send = () => call(gateway.url, callBody('hello', { store: false }), { secret });
    await scene.gateway.admin.patch(`/keys/${scene.issued.key.id}`, { body_policy: { capture: 'always' } });
    cable.cut();
    const answers: Answer[] = [];
    while (!answers.some(({ status }) => status === 503)) {
      answers.push(...(await Promise.all(Array.from({ length: AT_ONCE }, send))));
    }
    const refused = answers.find(({ status }) => status === 503);
    expect(refused?.error).toMatchObject({ type: 'server_is_overloaded', code: 'server_is_overloaded' });
    expect(Number(refused?.headers['retry-after'])).toBeGreaterThan(0);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 503]));
    expect((await call(gateway.url, null, { secret, method: 'GET', path: '/v1/models' })).status).toBe(200);
    expect((await fetch(`${gateway.url}/readyz`)).status).toBe(503);
    expect(await scene.gateway.metric('tollgate_journal_refusing')).toBe(1);
    expect(await scene.gateway.metric('tollgate_requests_shed_total{reason="journal"}')).toBeGreaterThan(0);
    expect(await scene.gateway.metric('tollgate_journal_bytes')).toBeLessThanOrEqual(1024 * 1024);

    expect(await scene.gateway.metric('tollgate_bodies_lost_total{reason="journal"}')).toBeGreaterThan(0);

    cable.mend();
    await eventually('room in the journal', async () => ((await send()).status === 200 ? true : undefined), 15_000);
    const count = async () =>
      Number((await database.query<{ n: string }>('SELECT count(DISTINCT id) AS n FROM request_log'))[0]?.n);
    await eventually('all rows', async () => ((await count()) > answers.length ? true : undefined));
    expect(await scene.gateway.metric('tollgate_log_rows_dropped')).toBe(0);
  });
});
