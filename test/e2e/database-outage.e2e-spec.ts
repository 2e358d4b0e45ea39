import { type CutOffScene, startCutOffScene } from '../support/cut-off-scene.js';
import { eventually } from '../support/eventually.js';
import { call, callBody } from '../support/responses-client.js';

let scene: CutOffScene;

beforeAll(async () => {
  scene = await startCutOffScene();
});
afterAll(() => scene.stop());

describe('a database that goes away', () => {
  it('does not stop model traffic or turn keys away, and gets every row when it is back', async () => {
    const { gateway, simulator, secret, cable, database } = scene;
    cable.cut();
    const answers = [];
    for (let i = 0; i < 20; i++) answers.push(await call(gateway.url, callBody(`hello ${i}`), { secret }));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect((await call(gateway.url, callBody('x'), { secret: 'sk-tg-x' })).status).toBe(401);
    expect(await gateway.admin.get('/keys')).toMatchObject({ status: 503, body: { code: 'database_unavailable' } });
    expect((await fetch(`${gateway.url}/readyz`)).status).toBe(200);

    cable.mend();
    const count = async () =>
      Number((await database.query<{ n: string }>(`SELECT count(*) AS n FROM request_log WHERE outcome = 'ok'`))[0]?.n);
    await eventually('20 rows', async () => ((await count()) === 20 ? true : undefined));
    const { body } = await gateway.admin.get('/usage');
    expect((body as { data: { output_tokens: number }[] }).data[0]?.output_tokens).toBe(
      simulator.ledger.totals.overall.outputTokens,
    );
  });
});
