import type { Reconciliation, Status } from '@app/contract';
import { directive, type Script } from '../../apps/simulator/src/simulator.js';
import { eventually } from '../support/eventually.js';
import { call, callBody } from '../support/responses-client.js';
import { type Scene, startScene } from '../support/scene.js';

let scene: Scene;

beforeAll(async () => {
  scene = await startScene();
  const prices = { input_per_million_usd: '1', output_per_million_usd: '10' };
  await scene.gateway.admin.create('/models', { name: 'gpt-5.5', prices });
  await scene.gateway.admin.create(`/balances/${scene.issued.key.id}/entries`, { kind: 'top_up', amount_usd: '5' });
});
afterAll(() => scene.stop());

async function reconciled(): Promise<Reconciliation> {
  const { status, body } = await scene.gateway.admin.get('/reconciliation');
  expect(status).toBe(200);
  return body as Reconciliation;
}

const wrong = ({ checks }: Reconciliation) =>
  checks.filter(({ is_equal: isEqual }) => !isEqual).map(({ name }) => name);

/** What the gateway says while its database has been changed behind its back. */
async function whileChanged(change: string, undo: string): Promise<Reconciliation> {
  const { database } = scene.gateway;
  await database.query(change);
  const seen = await reconciled();
  await database.query(undo);
  return seen;
}

describe('reconciliation', () => {
  it('is balanced after requests of every kind, and tells what became of them', async () => {
    const { gateway, secret } = scene;
    const scripts: Script[] = [
      {},
      { fault: { kind: 'status', status: 500 } },
      { fault: { kind: 'break_off', after_events: 3 } },
    ];
    for (const script of scripts) await call(gateway.url, callBody(`hi ${directive(script)}`), { secret });
    await call(gateway.url, callBody('hi'), { secret: 'sk-tg-wrong' });
    const seen = await eventually('four rows', async () => {
      const answer = await reconciled();
      return Object.values(answer.outcomes).reduce((sum, count) => sum + count, 0) === 4 ? answer : undefined;
    });
    expect(wrong(seen)).toEqual([]);
    expect(seen).toMatchObject({ is_balanced: true, differences: [], journal: { rows_pending: 0 } });
    expect(seen.outcomes).toEqual({ ok: 1, upstream_error: 1, upstream_broke_off: 1, unauthenticated: 1 });
    expect(Object.values(seen.settlements).reduce((sum, count) => sum + count, 0)).toBe(4);
    const tries = seen.checks.find(({ name }) => name === 'upstream_attempts');
    expect(Number(tries?.left)).toBe(scene.simulator.exchanges.length);
  });

  it('tells which hour is wrong, and by how much, when totals are not what the rows are', async () => {
    const seen = await whileChanged(
      'UPDATE usage_hours SET requests = requests + 1, cost_nano_usd = cost_nano_usd + 1000000000',
      'UPDATE usage_hours SET requests = requests - 1, cost_nano_usd = cost_nano_usd - 1000000000',
    );
    expect(seen.is_balanced).toBe(false);
    expect(wrong(seen)).toContain('totals_by_hour');
    const hour = new Date(Math.floor(Date.parse(seen.to) / 3_600_000 - 1) * 3_600_000).toISOString();
    const cost = seen.differences.find(({ measure }) => measure === 'cost_usd');
    expect([hour, new Date(Date.parse(hour) - 3_600_000).toISOString()]).toContain(cost?.start);
    expect(Number(cost?.right) - Number(cost?.left)).toBeGreaterThanOrEqual(1);
    expect(seen.differences.map(({ measure }) => measure)).toContain('requests');
    expect((await reconciled()).is_balanced).toBe(true);
  });

  it('finds a row that is not settled, and an attempt that is not told', async () => {
    const open = await whileChanged(
      `UPDATE request_log SET settlement = 'open' WHERE outcome = 'ok'`,
      `UPDATE request_log SET settlement = 'final' WHERE outcome = 'ok'`,
    );
    expect(wrong(open)).toEqual(['settlements']);
    const untold = await whileChanged(
      `UPDATE request_log SET attempts = attempts + 1 WHERE outcome = 'ok'`,
      `UPDATE request_log SET attempts = attempts - 1 WHERE outcome = 'ok'`,
    );
    expect(wrong(untold)).toEqual(['upstream_attempts']);
  });

  it('finds a balance that is not what its ledger says', async () => {
    const seen = await whileChanged(
      'UPDATE prepaid_balances SET spent_nano_usd = spent_nano_usd + 1',
      'UPDATE prepaid_balances SET spent_nano_usd = spent_nano_usd - 1',
    );
    expect(wrong(seen)).toEqual(['balances']);
  });

  it.each([
    'from=2026-01-01T00:00:00Z',
    'from=2026-11-02T00:00:00Z&to=2026-11-01T00:00:00Z',
    'from=yesterday',
    'day=1',
  ])('of %s is refused', async (query) => {
    expect((await scene.gateway.admin.get(`/reconciliation?${query}`)).status).toBe(422);
  });
});

it('the status says how the replica is, and how far its log is behind', async () => {
  const { body } = await scene.gateway.admin.get('/status');
  expect(body as Status).toMatchObject({
    version: expect.stringMatching(/^\d+\.\d+\.\d+/) as string,
    node_version: process.version,
    state: 'ok',
    database: 'ok',
    redis: 'off',
    requests_in_flight: 0,
    journal: { rows_pending: 0, rows_lost: 0, refusal: null },
  });
});
