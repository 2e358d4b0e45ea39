import { randomInt, randomUUID } from 'node:crypto';
import type { Group, Model, Price, Problem, Repriced, Request, Usage } from '../../libs/contract/src/index.js';
import { costNanoUsd, multipliedNanoUsd, parseMultiplier, parseUsd } from '../../libs/models/src/index.js';
import { directive } from '../../apps/simulator/src/simulator.js';
import { call, callBody } from '../support/responses-client.js';
import { type Scene, startScene } from '../support/scene.js';
import { addTotals, wrongTotals } from '../support/usage-totals.js';

const DAY = '2026-03-04';
const NOON = `${DAY}T12:00:00.000Z`;
const WHOLE_DAY = { from: `${DAY}T00:00:00Z`, to: '2026-03-05T00:00:00Z' };

let scene: Scene;
beforeAll(async () => {
  scene = await startScene();
});
afterAll(() => scene.stop());

async function reprice(body: object): Promise<Repriced> {
  const answer = await scene.gateway.admin.post('/requests/reprice', body);
  expect(answer.status).toBe(200);
  return answer.body as Repriced;
}

async function costOfRows(from: string, to: string): Promise<string> {
  const [sum] = await scene.gateway.database.query<{ nano: string }>(
    `SELECT coalesce(sum(cost_nano_usd), 0)::text AS nano FROM request_log WHERE started_at >= '${from}' AND started_at < '${to}'`,
  );
  return sum?.nano ?? '';
}

async function costOfTotals(start: string, end: string, bucket: string): Promise<string> {
  const answer = await scene.gateway.admin.get(`/usage?start=${start}&end=${end}&bucket=${bucket}&group_by=key,model`);
  const { data } = answer.body as Usage;
  return data.reduce((sum, { cost_usd: usd }) => sum + (parseUsd(usd) ?? 0n), 0n).toString();
}

const usd = (nano: number) => (nano / 1e9).toFixed(9);
const PRICES = { input_per_million_usd: '1', output_per_million_usd: '2' };

/** Prices with every kind of remainder. */
function randomPrices() {
  const price = () => usd(randomInt(0, 50_000_000_000));
  return {
    input_per_million_usd: price(),
    cached_input_per_million_usd: price(),
    cache_write_per_million_usd: price(),
    output_per_million_usd: price(),
    reasoning_per_million_usd: price(),
    per_request_usd: price(),
  };
}

function nanoPrices(prices: ReturnType<typeof randomPrices>) {
  const nano = (name: keyof typeof prices) => parseUsd(prices[name]) ?? -1n;
  return {
    inputPerMillion: nano('input_per_million_usd'),
    cachedInputPerMillion: nano('cached_input_per_million_usd'),
    cacheWritePerMillion: nano('cache_write_per_million_usd'),
    outputPerMillion: nano('output_per_million_usd'),
    reasoningPerMillion: nano('reasoning_per_million_usd'),
    perRequest: nano('per_request_usd'),
  };
}

interface Made {
  id: string;
  startedAt: string;
  model: string;
  groupId: string | null;
  tier: string | null;
  usage: Parameters<typeof costNanoUsd>[0];
  multiplier: string | null;
  calls: number | null;
}

/** Rows as the log writes them, with what they cost before; and their totals. */
async function insert(rows: readonly Made[], cost = 7): Promise<void> {
  const cells = rows.map(({ id, startedAt, model, groupId, tier, usage, multiplier, calls }) =>
    [
      `'${id}','${startedAt}',${groupId ? `'${groupId}'` : 'NULL'},'${model}',${tier ? `'${tier}'` : 'NULL'}`,
      `${usage.inputTokens},${usage.cachedTokens},${usage.cacheWriteTokens},${usage.outputTokens},${usage.reasoningTokens}`,
      `${multiplier ?? 'NULL'},${calls ?? 'NULL'},${cost},'${randomUUID()}'`,
    ].join(','),
  );
  const fixed = `'POST /v1/responses','response',true,200,'ok','final','terminal_event',1,1,1,1`;
  await scene.gateway.database.query(
    `INSERT INTO request_log (id, started_at, group_id, model, service_tier, input_tokens, cached_tokens, cache_write_tokens,
      output_tokens, reasoning_tokens, price_multiplier, priced_calls, cost_nano_usd, price_id, route, kind, stream, status, outcome,
      settlement, usage_source, duration_ms, attempts, request_bytes, response_bytes)
    VALUES ${cells.map((row) => `(${row},${fixed})`).join(',')}`,
  );
  await addTotals(scene.gateway.database, `id IN (${rows.map(({ id }) => `'${id}'`).join(',')})`);
}

const uuidOf = (publicId: string) => publicId.slice(4).replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, '$1-$2-$3-$4-$5');

describe('re-pricing', () => {
  it('computes each cost as the gateway does, to the nano-dollar, by version, tier and multiplier', async () => {
    const { admin, database } = scene.gateway;
    const [early, late, flex] = [randomPrices(), randomPrices(), randomPrices()];
    const model = await admin.create<Model>('/models', {
      name: 'random',
      aliases: ['random-alias'],
      prices: { ...early, service_tiers: { flex }, effective_from: `${DAY}T00:00:00Z` },
    });
    await admin.create<Price>(`/models/${model.id}/prices`, { ...late, effective_from: NOON });
    const rows = Array.from({ length: 400 }, (_, i): Made => {
      const startedAt = new Date(Date.parse(NOON) + (i === 0 ? 0 : i === 1 ? -1 : randomInt(-43_000_000, 43_000_000)));
      const tokens = () => randomInt(0, randomInt(1, 3_000_000));
      return {
        id: randomUUID(),
        startedAt: startedAt.toISOString(),
        model: randomInt(2) ? 'random' : 'random-alias',
        groupId: null,
        tier: [null, 'default', 'flex', 'other'][randomInt(4)] ?? null,
        usage: {
          inputTokens: tokens(),
          cachedTokens: tokens(),
          cacheWriteTokens: tokens(),
          outputTokens: tokens(),
          reasoningTokens: tokens(),
        },
        multiplier: randomInt(4) ? usd(randomInt(0, 10_000_000) * 100_000).slice(0, -5) : null,
        calls: [null, 1, 3][randomInt(3)] ?? null,
      };
    });
    await insert(rows);
    const told = await reprice(WHOLE_DAY);
    expect(told).toMatchObject({ rows: 400, changed: 400, old_cost_usd: '0.0000028' });

    const stored = await database.query<{ id: string; cost: string; base: string; settlement: string }>(
      `SELECT id, cost_nano_usd::text AS cost, base_cost_nano_usd::text AS base, settlement FROM request_log WHERE started_at < '2026-04-01'`,
    );
    const byId = new Map(stored.map((row) => [row.id, row]));
    for (const { id, startedAt, tier, usage, multiplier, calls } of rows) {
      const version = startedAt >= NOON ? late : tier === 'flex' ? flex : early;
      const base = costNanoUsd(usage, nanoPrices(version), calls ?? 1);
      const cost = multipliedNanoUsd(base, parseMultiplier(multiplier ?? '1') ?? -1n);
      expect(byId.get(id)).toMatchObject({ base: String(base), cost: String(cost), settlement: 'final' });
    }
    const { from, to } = WHOLE_DAY;
    const sum = await costOfRows(from, to);
    expect(parseUsd(told.new_cost_usd)?.toString()).toBe(sum);
    for (const bucket of ['hour', 'day', 'total']) expect(await costOfTotals(from, to, bucket)).toBe(sum);
    expect(await reprice(WHOLE_DAY)).toMatchObject({ rows: 400, changed: 0, difference_usd: '0', keys: [] });
  });

  it('gives real rows the cost of a price that came later, and back; a dry run only tells', async () => {
    const { admin } = scene.gateway;
    const from = new Date(Date.now() - 1_000).toISOString();
    const usage = { input_tokens: 1000, output_tokens: 500, total_tokens: 1500 };
    const body = callBody(`hi ${directive({ usage })}`, { model: 'priced-late' });
    const answers = [];
    for (let i = 0; i < 3; i++) answers.push(await call(scene.gateway.url, body, { secret: scene.secret }));
    const rows = await Promise.all(answers.map(({ requestId }) => scene.gateway.row(requestId)));
    expect(rows[0]).toMatchObject({ settlement: 'unpriced', cost_usd: null });
    const model = await admin.create<Model>('/models', {
      name: 'priced-late',
      prices: { ...PRICES, effective_from: from },
    });
    const range = { from, to: new Date(Date.now() + 1_000).toISOString(), model: 'priced-late' };
    const expected = {
      rows: 3,
      changed: 3,
      old_cost_usd: '0',
      new_cost_usd: '0.006',
      difference_usd: '0.006',
      keys: [expect.objectContaining({ key_id: rows[0]?.key_id, key_name: rows[0]?.key_name, changed: 3 })],
    };
    expect(await reprice({ ...range, dry_run: true })).toMatchObject({ dry_run: true, ...expected });
    expect(await scene.gateway.row(answers[0]?.requestId ?? '')).toEqual(rows[0]);
    expect(await reprice(range)).toMatchObject({ dry_run: false, ...expected });
    const row = await scene.gateway.row(answers[0]?.requestId ?? '');
    expect(row).toMatchObject({ settlement: 'final', cost_usd: '0.002', price_source: 'version' });
    for (const bucket of ['minute', 'hour', 'total']) {
      expect(await costOfTotals(from, range.to, bucket)).toBe(await costOfRows(from, range.to));
    }
    const [minutes] = await scene.gateway.database.query<{ nano: string }>(
      `SELECT sum(cost_nano_usd)::text AS nano FROM usage_minutes WHERE model = 'priced-late'`,
    );
    expect(minutes?.nano).toBe('6000000');

    await admin.patch(`/models/${model.id}`, { prices: null });
    expect(await reprice(range)).toMatchObject({ rows: 3, changed: 0 });
    const [entry] = await scene.gateway.database.query<{ after: { model: string } }>(
      `SELECT after FROM audit_entries WHERE action = 'request.reprice' ORDER BY id DESC LIMIT 1`,
    );
    expect(entry?.after).toMatchObject({ model: 'priced-late' });
  });

  it('takes the multiplier that the group has now only when it is told to, and only the rows that were meant', async () => {
    const { admin } = scene.gateway;
    const group = await admin.create<Group>('/groups', { name: 'dear', price_multiplier: '2' });
    await admin.create<Model>('/models', {
      name: 'old',
      prices: { ...PRICES, effective_from: '2026-01-01T00:00:00Z' },
    });
    const usage = { inputTokens: 1_000_000, cachedTokens: 0, cacheWriteTokens: 0, outputTokens: 0, reasoningTokens: 0 };
    const plain = { model: 'old', tier: null, usage, multiplier: '1', calls: 1, startedAt: '2026-02-01T10:00:00Z' };
    await insert([
      { ...plain, id: randomUUID(), groupId: uuidOf(group.id) },
      { ...plain, id: randomUUID(), groupId: null },
      // Of a model that is not registered any more nobody knows the price.
      { ...plain, id: randomUUID(), groupId: null, model: 'gone' },
    ]);
    const range = { from: '2026-02-01T00:00:00Z', to: '2026-02-02T00:00:00Z' };
    const byGroup = { ...range, group_id: group.id };
    expect(await reprice(byGroup)).toMatchObject({ rows: 1, changed: 1, new_cost_usd: '1' });
    expect(await reprice({ ...byGroup, price_multiplier: 'group' })).toMatchObject({ new_cost_usd: '2' });
    expect(await reprice(range)).toMatchObject({ rows: 3, changed: 1, new_cost_usd: '3.000000007' });
    expect(await costOfTotals(range.from, range.to, 'day')).toBe(await costOfRows(range.from, range.to));
  });

  it('agrees with the totals while new rows come in', async () => {
    const { admin } = scene.gateway;
    const from = new Date(Date.now() - 1_000).toISOString();
    const model = await admin.create<Model>('/models', { name: 'busy', prices: { ...PRICES, effective_from: from } });
    const send = () => call(scene.gateway.url, callBody('busy', { model: 'busy' }), { secret: scene.secret });
    const sending = Promise.all(Array.from({ length: 40 }, send));
    for (const price of ['3', '5', '7']) {
      await admin.create(`/models/${model.id}/prices`, { ...PRICES, per_request_usd: price, effective_from: from });
      await reprice({ from, to: '2100-01-01T00:00:00Z' });
    }
    const answers = await sending;
    await Promise.all(answers.map(({ requestId }) => scene.gateway.row(requestId)));
    await reprice({ from, to: '2100-01-01T00:00:00Z' });
    const to = new Date(Date.now() + 60_000).toISOString();
    expect(await costOfTotals(from, to, 'total')).toBe(await costOfRows(from, to));
    expect(await wrongTotals(scene.gateway.database)).toEqual([]);
    const rows = await admin.get(`/requests?model=busy&limit=100`);
    for (const row of (rows.body as { data: Request[] }).data) expect(row.cost_usd).toMatch(/^7\./);
  });

  it('refuses a range that ends before it begins', async () => {
    const answer = await scene.gateway.admin.post('/requests/reprice', { from: WHOLE_DAY.to, to: WHOLE_DAY.from });
    expect(answer.status).toBe(422);
    expect((answer.body as Problem).errors?.[0]?.path).toBe('to');
  });
});
