import { directive, Simulator } from '../../apps/simulator/src/simulator.js';
import type { Group, IssuedKey, Upstream } from '../../libs/contract/src/index.js';
import { eventually } from '../support/eventually.js';
import { TestGateway } from '../support/gateway.js';
import { leavingCall } from '../support/leaving-client.js';
import { call } from '../support/responses-client.js';

const MODEL = 'gpt-5.5';
/** A call whatever becomes of it. */
const SCRIPTS: object[] = [
  { deltas: 5 },
  { deltas: 200, delta_delay_ms: 2 },
  { fault: { kind: 'failed' } },
  { fault: { kind: 'incomplete' } },
  { fault: { kind: 'error_event' } },
  { usage: 'omit' },
  { reasoning: true },
];

let gateway: TestGateway;
let simulator: Simulator;
let secret: string;
let groupId: string;

beforeAll(async () => {
  [gateway, simulator] = await Promise.all([TestGateway.start(), Simulator.start()]);
  await gateway.admin.create<Upstream>('/upstreams', { name: 'only', base_url: simulator.baseUrl });
  await gateway.admin.create('/models', {
    name: MODEL,
    prices: { input_per_million_usd: '1', output_per_million_usd: '2' },
  });
  const group = { name: 'all', models: ['*'], max_concurrency: 4, tokens_per_minute: 1_000_000, budget_usd: '1000' };
  groupId = (await gateway.admin.create<Group>('/groups', group)).id;
  secret = (await gateway.admin.create<IssuedKey>('/keys', { name: 'all', group_id: groupId })).secret;
});
afterAll(async () => {
  await gateway.stop();
  await simulator.close();
});

const bodyOf = (script: object, fields: object = {}): string =>
  JSON.stringify({ model: MODEL, input: `hi ${directive(script)}`, store: false, stream: true, ...fields });

const leaving = (body: string, afterMs: number) => leavingCall(gateway.url, body, { secret, afterMs });

interface Limit {
  rule: string;
  limit: number;
  used: number;
  remaining: number;
}
const limitsNow = async (): Promise<Limit[]> => {
  const { body } = await call(gateway.url, null, { secret, path: '/v1/usage', method: 'GET' });
  return (JSON.parse(body.toString()) as { limits: Limit[] }).limits;
};

/** Everything that is held is what is used: nothing is reserved, and all places are free. */
async function expectNothingHeld(): Promise<void> {
  await eventually('limits of which nothing is held', async () => {
    const limits = await limitsNow();
    const isFree = limits.every(({ limit, used, remaining }) => Math.abs(limit - used - remaining) < 1e-6);
    return isFree || undefined;
  });
  const together = await Promise.all(
    Array.from({ length: 4 }, () => call(gateway.url, bodyOf({ deltas: 1, first_delay_ms: 50 }), { secret })),
  );
  expect(together.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
}

describe('what is held for a call is given back', () => {
  it('after answers, failures, refusals and clients that leave at any time, and counts what the log counts', async () => {
    const calls: Promise<unknown>[] = [];
    for (let index = 0; index < 80; index++) {
      const script = SCRIPTS[index % SCRIPTS.length] ?? {};
      const body = bodyOf(script, index % 11 === 0 ? { previous_response_id: 'resp_unknown' } : {});
      calls.push(index % 3 === 0 ? leaving(body, (index * 7) % 60) : call(gateway.url, body, { secret }));
    }
    await Promise.all(calls);
    await expectNothingHeld();
    const rows = await eventually('all rows', async () => {
      const { body } = await gateway.admin.get(`/usage?bucket=total&group_by=group`);
      const [total] = (body as { data: { input_tokens: number; output_tokens: number; cost_usd: string }[] }).data;
      const budget = (await limitsNow()).find(({ rule }) => rule === 'group.budget');
      return Math.abs(Number(total?.cost_usd) - (budget?.used ?? 0)) < 1e-9 ? total : undefined;
    });
    expect(Number(rows?.cost_usd)).toBeGreaterThan(0);
  });

  it('when clients leave while they wait for their turn', async () => {
    const holding = Array.from({ length: 4 }, () =>
      call(gateway.url, bodyOf({ deltas: 1, first_delay_ms: 300 }), { secret }),
    );
    const left = Array.from({ length: 10 }, (_, index) => leaving(bodyOf({ deltas: 1 }), 20 + index * 5));
    await Promise.all([...holding, ...left]);
    await expectNothingHeld();
    const { body } = await gateway.admin.get('/requests?outcome=client_left&limit=100');
    const waited = (body as { data: { attempts: number }[] }).data.filter(({ attempts }) => attempts === 0);
    expect(waited.length).toBeGreaterThan(0);
  });

  it('when the limits are changed meanwhile', async () => {
    const running = Array.from({ length: 4 }, () =>
      call(gateway.url, bodyOf({ deltas: 3, first_delay_ms: 150 }), { secret }),
    );
    const waiting = call(gateway.url, bodyOf({ deltas: 3 }), { secret });
    await gateway.admin.patch(`/groups/${groupId}`, { tokens_per_minute: 900_000, max_concurrency: 5 });
    const answers = await Promise.all([...running, waiting]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    await expectNothingHeld();
  });
});
