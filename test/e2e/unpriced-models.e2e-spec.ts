import { directive } from '../../apps/simulator/src/simulator.js';
import type { Explanation, Group, IssuedKey, Problem } from '../../libs/contract/src/index.js';
import { call, callBody } from '../support/responses-client.js';
import { type Scene, startScene } from '../support/scene.js';

const CEILING = { input_per_million_usd: '10', output_per_million_usd: '40', per_request_usd: '0.01' };
const USAGE = { input_tokens: 1000, output_tokens: 100, total_tokens: 1100 };
const MODEL = 'never-priced';
const BODY = callBody(`hi ${directive({ usage: USAGE })}`, { model: MODEL });

let scene: Scene;
beforeAll(async () => {
  scene = await startScene();
});
afterAll(() => scene.stop());

async function newGroup(fields: object): Promise<{ group: Group; secret: string }> {
  const { admin } = scene.gateway;
  const name = `group-${Math.random()}`;
  const group = await admin.create<Group>('/groups', { name, models: ['*'], ...fields });
  return { group, secret: (await admin.create<IssuedKey>('/keys', { name, group_id: group.id })).secret };
}

const send = (secret: string) => call(scene.gateway.url, BODY, { secret });
const explain = async (groupId: string): Promise<Explanation> =>
  (await scene.gateway.admin.post('/explain', { group_id: groupId, model: MODEL })).body as Explanation;
const metrics = async () => (await fetch(`${scene.gateway.url}/metrics`)).text();

describe('a model without a price', () => {
  it('is allowed at no cost by default, and never in silence: row, metric, one line in the log, explanation', async () => {
    const { group, secret } = await newGroup({});
    expect(group).toMatchObject({ unpriced_models: 'allow', ceiling_prices: null, price_multiplier: '1' });
    for (let i = 0; i < 2; i++) {
      const row = await scene.gateway.row((await send(secret)).requestId);
      expect(row).toMatchObject({ settlement: 'unpriced', cost_usd: null, base_cost_usd: null, price_source: null });
    }
    expect(await metrics()).toContain('tollgate_unpriced_requests_total{policy="allow"} 2');
    expect(scene.gateway.output().split(`the model ${MODEL} has no price`)).toHaveLength(2);
    const { decision, checks } = await explain(group.id);
    expect(decision).toBe('served');
    expect(checks).toContainEqual(expect.objectContaining({ rule: 'group.unpriced_models', passed: true }));
  });

  it('is refused before any upstream is asked when the group says so, with a sentence for the developer', async () => {
    const { group, secret } = await newGroup({ unpriced_models: 'refuse' });
    const before = scene.simulator.ledger.totals.overall.responses;
    const answer = await send(secret);
    expect(answer.status).toBe(400);
    expect(answer.error).toMatchObject({ code: 'model_not_priced', param: 'model', rule: 'group.unpriced_models' });
    expect(answer.error?.message).toContain(`The model '${MODEL}' has no price`);
    expect(await scene.gateway.row(answer.requestId)).toMatchObject({
      attempts: 0,
      cost_usd: '0',
      decision: { rule: 'group.unpriced_models' },
    });
    expect(scene.simulator.ledger.totals.overall.responses).toBe(before);
    expect(await explain(group.id)).toMatchObject({ decision: 'refused', status: 400, code: 'model_not_priced' });
    expect(await metrics()).toContain('tollgate_unpriced_requests_total{policy="refuse"} 1');
  });

  it('costs the ceiling of the group, which the row tells and the budget counts to the nano-dollar', async () => {
    const ceiling = { unpriced_models: 'ceiling', ceiling_prices: CEILING, price_multiplier: '1.5' };
    // 1000 × 10000 + 100 × 40000 + 10 000 000, by one and a half
    const { group, secret } = await newGroup({ ...ceiling, budget_usd: '0.072' });
    for (let i = 0; i < 2; i++) {
      expect(await scene.gateway.row((await send(secret)).requestId)).toMatchObject({
        settlement: 'unpriced',
        base_cost_usd: '0.024',
        cost_usd: '0.036',
        price_id: null,
        price_source: 'ceiling',
      });
    }
    // Used up to exactly 100 %.
    expect(await send(secret)).toMatchObject({ status: 429, error: { code: 'insufficient_quota' } });
    expect((await explain(group.id)).limits).toContainEqual(expect.objectContaining({ used: 0.072, remaining: 0 }));
    const { data } = (await scene.gateway.admin.get('/usage?group_by=group')).body as { data: object[] };
    expect(data).toContainEqual(expect.objectContaining({ group_id: group.id, cost_usd: '0.072' }));
    const now = Date.now();
    const range = { from: new Date(now - 60_000).toISOString(), to: new Date(now + 1_000).toISOString() };
    const again = await scene.gateway.admin.post('/requests/reprice', { ...range, group_id: group.id });
    expect(again.body).toMatchObject({ rows: 2, changed: 0, new_cost_usd: '0.072' });
  });

  it('cannot cost a ceiling that is not there', async () => {
    const { admin } = scene.gateway;
    const { group } = await newGroup({});
    const refused = [
      await admin.post('/groups', { name: 'no-ceiling', unpriced_models: 'ceiling' }),
      await admin.patch(`/groups/${group.id}`, { unpriced_models: 'ceiling' }),
    ];
    await admin.patch(`/groups/${group.id}`, { unpriced_models: 'ceiling', ceiling_prices: CEILING });
    refused.push(await admin.patch(`/groups/${group.id}`, { ceiling_prices: null }));
    for (const { status, body } of refused) {
      expect(status).toBe(422);
      expect((body as Problem).errors?.map(({ path }) => path)).toEqual(['ceiling_prices']);
    }
  });

  it.each(['1001', '-1', '1.00001', '1e3', '1000.0001'])('has no multiplier such as %s', async (multiplier) => {
    const answer = await scene.gateway.admin.post('/groups', { name: 'odd', price_multiplier: multiplier });
    expect(answer.status).toBe(422);
    expect((answer.body as Problem).errors?.[0]?.path).toBe('price_multiplier');
  });
});
