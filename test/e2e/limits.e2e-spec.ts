import { directive, Simulator } from '../../apps/simulator/src/simulator.js';
import type { Upstream } from '../../libs/contract/src/index.js';
import { eventually } from '../support/eventually.js';
import { TestGateway } from '../support/gateway.js';
import { type Answer, call } from '../support/responses-client.js';
import { createDatabase, type TestDatabase } from '../support/database.js';

const MODEL = 'gpt-5.5';
/** A dollar for a thousand output tokens. */
const PRICES = { input_per_million_usd: '0', output_per_million_usd: '1000' };

let database: TestDatabase;
let gateway: TestGateway;
let simulator: Simulator;

beforeAll(async () => {
  [database, simulator] = await Promise.all([createDatabase(), Simulator.start()]);
  gateway = await TestGateway.start({ database });
  await gateway.admin.create<Upstream>('/upstreams', { name: 'only', base_url: simulator.baseUrl });
  await gateway.admin.create('/models', { name: MODEL, prices: PRICES });
});
afterAll(async () => {
  await gateway.stop();
  await Promise.all([database.drop(), simulator.close()]);
});

interface Limited {
  groupId: string;
  keyId: string;
  secret: string;
}

async function limited(groupFields: object, keyFields: object = {}): Promise<Limited> {
  const { group, key, secret } = await gateway.admin.issueKey({ group: groupFields, key: keyFields });
  return { groupId: group.id, keyId: key.id, secret };
}

const respond = (
  { secret }: { secret: string },
  script: object = { deltas: 10 },
  fields: object = {},
): Promise<Answer> =>
  call(gateway.url, JSON.stringify({ model: MODEL, input: `hi ${directive(script)}`, store: false, ...fields }), {
    secret,
  });
const usageOf = async ({ secret }: Limited) =>
  JSON.parse((await call(gateway.url, null, { secret, path: '/v1/usage', method: 'GET' })).body.toString()) as {
    limits: { rule: string; used: number; remaining: number; limit: number; resets_at: string | null }[];
  };
const detailsOf = (answer: Answer) =>
  answer.error as unknown as { limit: number; used: number; resets_at?: number; rule: string };

describe('requests per minute', () => {
  it('are counted exactly under concurrency, for a key and for its group', async () => {
    for (const [group, key] of [
      [{ requests_per_minute: 20 }, {}],
      [{}, { requests_per_minute: 20 }],
    ] as const) {
      const who = await limited(group, key);
      const answers = await Promise.all(Array.from({ length: 50 }, () => respond(who)));
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(20);
      const refused = answers.filter(({ status }) => status === 429);
      expect(refused).toHaveLength(30);
      for (const { error, headers } of refused) {
        expect(error).toMatchObject({ type: 'rate_limit_exceeded', code: 'rate_limit_exceeded' });
        expect(error?.message).toMatch(/limit 20, used 20\. Please try again in \d+ s\.$/);
        expect(Number(headers['retry-after'])).toBeGreaterThan(0);
        expect(Number(headers['retry-after'])).toBeLessThanOrEqual(30);
        expect(headers['x-ratelimit-remaining-requests']).toBe('0');
      }
    }
  });

  it('are told with every answer, in the form of OpenAI', async () => {
    const who = await limited({ requests_per_minute: 60, tokens_per_minute: 100_000 });
    const { headers } = await respond(who);
    expect(headers).toMatchObject({
      'x-ratelimit-limit-requests': '60',
      'x-ratelimit-remaining-requests': '59',
      'x-ratelimit-reset-requests': expect.stringMatching(/^(1m0s|60s|59\.\d+s|59s)$/),
      'x-ratelimit-limit-tokens': '100000',
      'x-ratelimit-remaining-tokens': expect.stringMatching(/^\d+$/),
      'x-ratelimit-reset-tokens': expect.stringMatching(/^(\d+m)?[\d.]+(s|ms)$/),
    });
  });

  it('are logged when they are refused, without an upstream', async () => {
    const who = await limited({ requests_per_minute: 1 });
    await respond(who);
    const refused = await respond(who);
    expect(await gateway.row(refused.requestId)).toMatchObject({ outcome: 'limited', status: 429, attempts: 0 });
    expect(detailsOf(refused)).toMatchObject({ rule: 'group.requests_per_minute', limit: 1, used: 1 });
  });
});

describe('limits of a group for one model', () => {
  it('count its calls, by whatever name, and no others', async () => {
    await gateway.admin.create('/models', { name: 'gpt-6-sol', aliases: ['sol'] });
    const who = await limited({ model_limits: [{ model: 'gpt-6-sol', requests_per_minute: 2 }] });
    const statuses = [];
    for (const model of ['gpt-6-sol', 'sol', 'sol', MODEL]) statuses.push((await respond(who, {}, { model })).status);
    expect(statuses).toEqual([200, 200, 429, 200]);
    const refused = await respond(who, {}, { model: 'sol' });
    expect(detailsOf(refused)).toMatchObject({ rule: 'group.gpt-6-sol.requests_per_minute', limit: 2, used: 2 });
    await gateway.admin.patch(`/groups/${who.groupId}`, { model_limits: [] });
    expect((await respond(who, {}, { model: 'sol' })).status).toBe(200);
  });
});

describe('tokens per minute', () => {
  it('hold what a call is expected to use until it is known', async () => {
    const who = await limited({ tokens_per_minute: 200 });
    const held = await Promise.all(Array.from({ length: 8 }, () => respond(who, { deltas: 100, first_delay_ms: 100 })));
    const served = held.filter(({ status }) => status === 200).length;
    expect(served).toBeGreaterThan(0);
    expect(served).toBeLessThan(8);
    const row = await gateway.row(held.find(({ status }) => status === 200)?.requestId ?? null);
    const [limit] = (await usageOf(who)).limits;
    expect(limit).toMatchObject({ rule: 'group.tokens_per_minute', limit: 200 });
    expect(limit?.used).toBe(served * ((row.input_tokens ?? 0) + 100));
    expect(limit?.remaining).toBe(Math.max(0, 200 - (limit?.used ?? 0)));
  });

  it('let a call that is larger than the limit through when nothing else is used', async () => {
    const who = await limited({ tokens_per_minute: 10 });
    expect((await respond(who, { deltas: 50 })).status).toBe(200);
    expect((await respond(who, { deltas: 50 })).status).toBe(429);
  });
});

describe('calls at the same time', () => {
  it('wait for their turn, in the order in which they came', async () => {
    const who = await limited({ max_concurrency: 2 });
    const ended: number[] = [];
    const answers = await Promise.all(
      Array.from({ length: 8 }, async (_, index) => {
        const answer = await respond(who, { deltas: 1, first_delay_ms: 40 });
        ended.push(index);
        return answer;
      }),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 200));
    const most = simulator.exchanges.slice(-8).map(({ startedAtMs, closedAtMs }, _, all) => {
      const running = all.filter(
        (other) => other.startedAtMs < (closedAtMs ?? 0) && (other.closedAtMs ?? 0) > startedAtMs,
      );
      return running.filter((other) => other.startedAtMs <= startedAtMs).length;
    });
    expect(Math.max(...most)).toBeLessThanOrEqual(2);
  });

  it('are refused when they have waited for too long, and told to come again', async () => {
    const who = await limited({ max_concurrency: 1, queue_wait_ms: 30 });
    const [one, other] = await Promise.all([
      respond(who, { deltas: 1, first_delay_ms: 300 }),
      respond(who, { deltas: 1, first_delay_ms: 300 }),
    ]);
    const [served, refused] = one.status === 200 ? [one, other] : [other, one];
    expect([served.status, refused.status, refused.error?.code]).toEqual([200, 429, 'rate_limit_exceeded']);
    expect(refused.headers['retry-after']).toBe('2');
    expect((await respond(who)).status).toBe(200);
  });
});

describe('a plan', () => {
  const windows = [
    { name: '5 hours', period: '5h', unit: 'tokens', limit: 500 },
    { name: 'weekly', period: 'week', unit: 'usd', limit: '5.00' },
  ];

  it('that is used up says until when, in the operator’s words, and is not tried again', async () => {
    const who = await limited({ windows, limit_message: 'Ask Ann for more' });
    expect((await respond(who, { deltas: 600 })).status).toBe(200);
    const refused = await respond(who);
    expect(refused.status).toBe(429);
    expect(refused.error).toMatchObject({ type: 'usage_limit_reached', code: 'insufficient_quota' });
    expect(refused.headers).toMatchObject({ 'x-should-retry': 'false', 'x-codex-promo-message': 'Ask Ann for more' });
    const { limit, used, resets_at: resetsAt = 0, rule } = detailsOf(refused);
    expect([limit, rule]).toEqual([500, 'group.5 hours']);
    expect(used).toBeGreaterThan(600);
    const hours = (resetsAt - Date.now() / 1000) / 3_600;
    expect(hours).toBeGreaterThan(4.9);
    expect(hours).toBeLessThan(5.1);
  });

  it('is shown to Codex as its own', async () => {
    const who = await limited({ windows });
    await respond(who, { deltas: 100 });
    const { headers } = await respond(who, { deltas: 1 });
    expect(headers).toMatchObject({
      'x-codex-primary-window-minutes': '300',
      'x-codex-secondary-window-minutes': '10080',
      'x-codex-secondary-used-percent': '2',
    });
    expect(Number(headers['x-codex-primary-used-percent'])).toBeGreaterThan(20);
    expect(Number(headers['x-codex-primary-reset-at'])).toBeGreaterThan(Date.now() / 1000);
  });

  it('and a budget survive a restart', async () => {
    const who = await limited({ windows }, { budget_usd: '1.50' });
    const first = await respond(who, { deltas: 400 });
    await gateway.row(first.requestId);
    const before = await usageOf(who);
    await gateway.stop();
    gateway = await TestGateway.start({ database });
    const after = await usageOf(who);
    expect(after.limits.map(({ rule, used }) => [rule, used])).toEqual(
      before.limits.map(({ rule, used }) => [rule, used]),
    );
    expect(after.limits.find(({ rule }) => rule === 'key.budget')).toMatchObject({
      limit: 1.5,
      used: 0.4,
      resets_at: null,
    });
  });
});

describe('a budget', () => {
  it('is overspent by one call at most, however many come at once, and leave, and nothing stays reserved', async () => {
    const who = await limited({ budget_usd: '1.00' });
    const costUsd = 0.1;
    const calls = Array.from({ length: 64 }, async (_, index) => {
      const answer = respond(who, { deltas: 100, delta_delay_ms: index % 4 === 0 ? 2 : 0 }, { max_output_tokens: 100 });
      return (await answer).status;
    });
    const statuses = await Promise.all(calls);
    expect(new Set(statuses)).toEqual(new Set([200, 429]));
    const [budget] = (await usageOf(who)).limits;
    expect(budget?.used).toBeLessThanOrEqual(1 + costUsd);
    expect(budget?.remaining).toBeCloseTo(Math.max(0, 1 - (budget?.used ?? 0)), 9);
    const spent = statuses.filter((status) => status === 200).length * costUsd;
    expect(budget?.used).toBeCloseTo(spent, 9);
    for (let more = 0; more < 12; more++) await respond(who, { deltas: 100 }, { max_output_tokens: 100 });
    const refused = await respond(who);
    expect([refused.status, refused.error?.type]).toEqual([429, 'usage_limit_reached']);
    expect(detailsOf(refused)).toMatchObject({ limit: 1, rule: 'group.budget' });
  });

  it('is told by explain and doctor', async () => {
    const who = await limited({ budget_usd: '0.10', requests_per_minute: 5 });
    await respond(who, { deltas: 200 });
    const rule = await eventually('a budget that is used up', async () => {
      const { body } = await gateway.admin.post('/explain', { key_id: who.keyId, model: MODEL });
      return (body as { rule: string | null }).rule ?? undefined;
    });
    expect(rule).toBe('group.budget');
    const { body } = await gateway.admin.post('/explain', { key_id: who.keyId, model: MODEL });
    expect(body).toMatchObject({
      decision: 'refused',
      status: 429,
      code: 'insufficient_quota',
      limits: [
        { rule: 'group.budget', unit: 'usd', limit: 0.1, used: 0.2, remaining: 0 },
        { rule: 'group.requests_per_minute', limit: 5, used: 1, remaining: 4 },
      ],
    });
  });
});

it('limits are checked when they are set', async () => {
  const problems = [
    { windows: [{ name: 'x', period: '5y', unit: 'tokens', limit: 1 }] },
    { windows: [{ name: 'x', period: '5h', unit: 'usd', limit: 1 }] },
    { windows: [{ name: 'x', period: '5h', unit: 'tokens', limit: '1' }] },
    { requests_per_minute: 0 },
    { budget_usd: '-1' },
    { time_zone: 'Mars/Base' },
  ];
  for (const fields of problems) {
    const { status } = await gateway.admin.post('/groups', { name: 'wrong', models: [], ...fields });
    expect({ fields, status }).toEqual({ fields, status: 422 });
  }
});

describe('operators are told', () => {
  it('once when a plan or a budget is nearly used up, and once when it is, with an audit entry', async () => {
    const who = await limited(
      { windows: [{ name: 'daily', period: 'day', unit: 'requests', limit: 10 }], soft_threshold_percent: 70 },
      { budget_usd: '0.09', soft_threshold_percent: null },
    );
    for (let calls = 0; calls < 12; calls++) await respond(who, { deltas: 10 });
    interface Alert {
      type: string;
      object_id: string;
      data: object;
    }
    const alerts = await eventually('both alerts', async () => {
      const { body } = await gateway.admin.get('/alerts?limit=100');
      const found = (body as { data: Alert[] }).data.filter(({ object_id: id }) =>
        [who.groupId, who.keyId].includes(id),
      );
      return found.length >= 2 ? found : undefined;
    });
    expect(alerts).toMatchObject([
      { type: 'key.limit.reached', data: { limit_name: 'budget', limit: '0.09', used: '0.09', used_percent: 100 } },
      {
        type: 'group.limit.soft_threshold',
        data: { limit_name: 'daily', limit: '10', used: '7', used_percent: 70, threshold_percent: 70 },
      },
    ]);
    const audited = await database.query<{ action: string }>(
      `SELECT action FROM audit_entries WHERE actor = 'system' AND object_type IN ('group', 'key', 'alert')`,
    );
    expect(audited.length).toBeGreaterThanOrEqual(2);
  });
});
