import { directive } from '../../apps/simulator/src/simulator.js';
import type { Group, IssuedKey, Model, Page, Price, Problem, Request } from '../../libs/contract/src/index.js';
import { eventually } from '../support/eventually.js';
import { call, callBody } from '../support/responses-client.js';
import { type Scene, startScene } from '../support/scene.js';

const HOUR_MS = 3_600_000;
const PRICES = {
  input_per_million_usd: '1.25',
  cached_input_per_million_usd: '0.125',
  cache_write_per_million_usd: '1.5625',
  output_per_million_usd: '10',
  reasoning_per_million_usd: '12',
  per_request_usd: '0.001',
};
const USAGE = {
  input_tokens: 1000,
  input_tokens_details: { cached_tokens: 800, cache_write_tokens: 50 },
  output_tokens: 101,
  output_tokens_details: { reasoning_tokens: 33 },
  total_tokens: 1101,
};
// 150 × 1250 + 800 × 125 + 50 × 1562.5 + 68 × 10000 + 33 × 12000 + 1 000 000 nano-USD
const COST = '0.002441625';

let scene: Scene;
let count = 0;
beforeAll(async () => {
  scene = await startScene();
});
afterAll(() => scene.stop());

async function newModel(fields: object = {}): Promise<Model> {
  return scene.gateway.admin.create<Model>('/models', { name: `priced-${++count}`, prices: PRICES, ...fields });
}

async function newSecret(group: object): Promise<string> {
  const { admin } = scene.gateway;
  const { id } = await admin.create<Group>('/groups', { name: `terms-${++count}`, models: ['*'], ...group });
  return (await admin.create<IssuedKey>('/keys', { name: `terms-${count}`, group_id: id })).secret;
}

async function rowOf(
  model: string,
  options: { script?: object; fields?: object; secret?: string; path?: string } = {},
): Promise<Request> {
  const { script = {}, fields = {}, secret = scene.secret, path = '/v1/responses' } = options;
  const body = callBody(`hi ${directive({ usage: USAGE, ...script })}`, { model, ...fields });
  const { requestId } = await call(scene.gateway.url, body, { secret, path });
  return scene.gateway.row(requestId);
}

describe('a cost', () => {
  it.each([
    ['a stream', { stream: true }],
    ['JSON', { stream: false }],
  ])('of %s is that of a hand calculation to the nano-dollar', async (_, fields) => {
    const { name, id } = await newModel();
    const [version] = ((await scene.gateway.admin.get(`/models/${id}/prices`)).body as Page<Price>).data;
    expect(await rowOf(name, { fields })).toMatchObject({
      cost_usd: COST,
      base_cost_usd: COST,
      price_multiplier: '1',
      price_id: version?.id,
      price_source: 'version',
      service_tier: 'default',
      usage_anomaly: false,
      settlement: 'final',
    });
  });

  it('counts the service tier that the answer names, else the one that was asked for', async () => {
    const { name } = await newModel({
      prices: { ...PRICES, service_tiers: { flex: { input_per_million_usd: '0.5' }, priority: PRIORITY } },
    });
    const plain = { usage: { ...USAGE, input_tokens_details: {} } };
    // 1000 × 500 + 68 × 10000 + 33 × 12000 + 1 000 000
    const flex = await rowOf(name, { fields: { service_tier: 'flex' }, script: plain });
    expect(flex).toMatchObject({ service_tier: 'flex', cost_usd: '0.002576' });
    // 1000 × 2500 + 68 × 20000 + 33 × 24000 + 2 000 000
    const served = { ...plain, service_tier: 'priority' };
    expect(await rowOf(name, { fields: { service_tier: 'flex', stream: false }, script: served })).toMatchObject({
      service_tier: 'priority',
      cost_usd: '0.006652',
    });
    // 1000 × 1250 + 68 × 10000 + 33 × 12000 + 1 000 000
    for (const tier of ['default', 'another']) {
      const row = await rowOf(name, { script: { ...plain, service_tier: tier } });
      expect(row).toMatchObject({ service_tier: tier, cost_usd: '0.003326' });
    }
  });

  it('of a tier is by its own input and output where no other price was ever given', async () => {
    const flex = { input_per_million_usd: '0.5', output_per_million_usd: '4' };
    const prices = { input_per_million_usd: '1', output_per_million_usd: '8', service_tiers: { flex } };
    const { name } = await newModel({ prices });
    // 1000 × 500 + 101 × 4000
    expect(await rowOf(name, { fields: { service_tier: 'flex' } })).toMatchObject({ cost_usd: '0.000904' });
  });

  it('is multiplied for a group, and rounded half up each time; budgets and totals count what comes out', async () => {
    const { name } = await newModel();
    const secret = await newSecret({ price_multiplier: '1.1003' });
    // 2 441 625 × 1.1003 = 2 686 519.9875
    const row = await rowOf(name, { secret });
    expect(row).toMatchObject({ base_cost_usd: COST, cost_usd: '0.00268652', price_multiplier: '1.1003' });
    const usage = await scene.gateway.admin.get('/usage?group_by=group');
    expect((usage.body as { data: object[] }).data).toContainEqual(
      expect.objectContaining({ group_id: row.group_id, cost_usd: '0.00268652' }),
    );
  });

  it('is never below zero when an upstream counts more cached tokens than there were, and the row says so', async () => {
    const { name } = await newModel();
    const usage = { ...USAGE, input_tokens: 100, output_tokens: 20 };
    // 100 × 125 + 20 × 12000 + 1 000 000
    expect(await rowOf(name, { script: { usage } })).toMatchObject({ cost_usd: '0.0012525', usage_anomaly: true });
  });

  it('of a compaction is by the price of its own model, once for all its calls', async () => {
    const { name } = await newModel();
    const row = await rowOf(name, { path: '/v1/responses/compact' });
    expect(row).toMatchObject({ kind: 'compaction', price_source: 'version' });
    const tokens = BigInt(row.output_tokens ?? 0) - BigInt(row.reasoning_tokens ?? 0);
    const plain = BigInt(row.input_tokens ?? 0) - BigInt(row.cached_tokens ?? 0) - BigInt(row.cache_write_tokens ?? 0);
    const thousandths =
      plain * 1_250_000n +
      BigInt(row.cached_tokens ?? 0) * 125_000n +
      BigInt(row.cache_write_tokens ?? 0) * 1_562_500n +
      tokens * 10_000_000n +
      BigInt(row.reasoning_tokens ?? 0) * 12_000_000n;
    const nano = (thousandths + 500n) / 1_000n + BigInt(row.priced_calls ?? 0) * 1_000_000n;
    expect(Math.round(Number(row.cost_usd) * 1e9)).toBe(Number(nano));
  });
});

const PRIORITY = {
  input_per_million_usd: '2.5',
  output_per_million_usd: '20',
  reasoning_per_million_usd: '24',
  per_request_usd: '0.002',
};

describe('versions of a price', () => {
  it('count from their date on, whichever was added last, and by themselves when their date comes', async () => {
    const at = (ms: number) => new Date(Date.now() + ms).toISOString();
    const { name, id } = await newModel({ prices: { ...PRICES, effective_from: at(-2 * HOUR_MS) } });
    const add = (per_request_usd: string, ms: number) =>
      scene.gateway.admin.create<Price>(`/models/${id}/prices`, { ...PRICES, per_request_usd, effective_from: at(ms) });
    await add('3', -HOUR_MS);
    await add('2', -1.5 * HOUR_MS);
    const soon = await add('4', 400);
    const later = await add('5', HOUR_MS);
    expect(later.state).toBe('scheduled');
    expect((await rowOf(name)).cost_usd).toBe('3.001441625');
    await eventually('the version of the future', async () => {
      const { data } = (await scene.gateway.admin.get(`/models/${id}/prices`)).body as Page<Price>;
      return data.find((price) => price.id === soon.id && price.state === 'in_effect');
    });
    const row = await rowOf(name);
    expect(row).toMatchObject({ cost_usd: '4.001441625', price_id: soon.id });
    const listed = (await scene.gateway.admin.get(`/models/${id}/prices`)).body as Page<Price>;
    expect(listed.data.map(({ state, ...price }) => [state, (price as Price).per_request_usd])).toEqual([
      ['scheduled', '5'],
      ['in_effect', '4'],
      ['superseded', '3'],
      ['superseded', '2'],
      ['superseded', '0.001'],
    ]);
  });

  it('can be taken back only while they are not in effect', async () => {
    const { id } = await newModel();
    const { admin } = scene.gateway;
    const [now] = ((await admin.get(`/models/${id}/prices`)).body as Page<Price>).data;
    expect((await admin.delete(`/models/${id}/prices/${now?.id}`)).status).toBe(409);
    const future = await admin.create<Price>(`/models/${id}/prices`, {
      ...PRICES,
      effective_from: '2100-01-01T00:00:00Z',
    });
    expect((await admin.delete(`/models/${id}/prices/${future.id}`)).status).toBe(204);
    expect((await admin.delete(`/models/${id}/prices/${future.id}`)).status).toBe(404);
  });

  it('end with prices: null, which is a version of its own and takes none away', async () => {
    const { id, name } = await newModel();
    const { admin } = scene.gateway;
    const changed = (await admin.patch(`/models/${id}`, { prices: null })).body as Model;
    expect(changed).toMatchObject({ prices: null, warnings: [{ code: 'model_not_priced' }] });
    expect(await rowOf(name)).toMatchObject({ settlement: 'unpriced', cost_usd: null, price_source: null });
    const { data } = (await admin.get(`/models/${id}/prices`)).body as Page<Price>;
    expect(data.map(({ priced }) => priced)).toEqual([false, true]);
    const again = (await admin.patch(`/models/${id}`, { prices: PRICES })).body as Model;
    expect(again).toMatchObject({ prices: PRICES, warnings: [] });
  });

  it.each([
    [{ service_tiers: { auto: {} } }, 'prices.service_tiers.auto'],
    [{ service_tiers: { flex: { input: '1' } } }, 'prices.service_tiers.flex.input'],
    [{ per_token: '1' }, 'prices.per_token'],
  ])('are refused with the field at fault: %j', async (fields, path) => {
    const answer = await scene.gateway.admin.post('/models', { name: 'refused', prices: { ...PRICES, ...fields } });
    expect(answer.status).toBe(422);
    expect((answer.body as Problem).errors?.map((error) => error.path)).toEqual([path]);
  });
});
