import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { directive } from '../../apps/simulator/src/simulator.js';
import type { Model, Repriced } from '../../libs/contract/src/index.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { temporaryFolder, TestGateway } from '../support/gateway.js';
import { call, callBody } from '../support/responses-client.js';
import { type Scene, startScene } from '../support/scene.js';
import { wrongTotals } from '../support/usage-totals.js';

const env = { DATA_DIR: temporaryFolder() };

let database: TestDatabase;
let scene: Scene;
beforeAll(async () => {
  database = await createDatabase();
  scene = await startScene({ gateway: { env, database } });
});
afterAll(async () => {
  await scene.stop();
  await database.drop();
  rmSync(env.DATA_DIR, { recursive: true, force: true });
});

const reprice = async ({ admin }: TestGateway): Promise<Repriced> =>
  (await admin.post('/requests/reprice', { from: '2026-01-01T00:00:00Z', to: '2100-01-01T00:00:00Z' }))
    .body as Repriced;

describe('totals of rows that are priced again, sent twice or left by a crash', () => {
  it('are what the rows add up to all the same, by the minute, the hour and the day', async () => {
    const { gateway, simulator, secret } = scene;
    const bodies = [
      callBody('priced late', { model: 'late', service_tier: 'flex' }),
      callBody(`tokens ${directive({ usage: { input_tokens: 9, output_tokens: 2, total_tokens: 11 } })}`),
      callBody(directive({ fault: { kind: 'status', status: 400, code: 'Not a code' } }), { model: 'late' }),
    ];
    const answers = await Promise.all([...bodies, ...bodies].map((body) => call(gateway.url, body, { secret })));
    await Promise.all(answers.map(({ requestId }) => gateway.row(requestId)));
    expect(await wrongTotals(database)).toEqual([]);

    const prices = { input_per_million_usd: '3', output_per_million_usd: '7', effective_from: '2026-01-01T00:00:00Z' };
    const late = await gateway.admin.create<Model>('/models', { name: 'late', prices });
    expect(await reprice(gateway)).toMatchObject({ changed: 2 });
    expect(await wrongTotals(database)).toEqual([]);

    // Killed with a call at its upstream; every row is in the journal still, as its file is not full.
    const before = simulator.exchanges.length;
    const held = callBody(`held ${directive({ hold_after_events: 2 })}`, { model: 'late' });
    const cut = call(gateway.url, held, { secret }).catch(() => null);
    await eventually('the call at its upstream', () => (simulator.exchanges.length > before ? true : undefined));
    const exited = once(gateway.process, 'exit');
    gateway.process.kill('SIGKILL');
    await Promise.all([exited, cut]);
    const next = await TestGateway.start({ env, database });
    try {
      const sent = answers.length + 1;
      await eventually('the rows once more', async () =>
        (await next.metric('tollgate_log_rows_written')) === sent ? true : undefined,
      );
      const rows = await database.query<{ outcome: string }>(`SELECT outcome FROM request_log ORDER BY started_at`);
      expect(rows).toHaveLength(sent);
      expect(rows.at(-1)).toEqual({ outcome: 'gateway_crash' });
      expect(await wrongTotals(database)).toEqual([]);

      await next.admin.create(`/models/${late.id}/prices`, { ...prices, per_request_usd: '1' });
      expect(await reprice(next)).toMatchObject({ changed: 3 });
      expect(await wrongTotals(database)).toEqual([]);
    } finally {
      await next.stop();
    }
  });
});
