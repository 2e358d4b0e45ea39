import type { Alert, Balance, LedgerEntry, Model, Problem } from '../../libs/contract/src/index.js';
import { directive } from '../../apps/simulator/src/simulator.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { TestGateway } from '../support/gateway.js';
import { call } from '../support/responses-client.js';
import { type Scene, startScene } from '../support/scene.js';

const MODEL = 'gpt-5.5';
/** A tenth of a cent for an output token. */
const PRICES = { input_per_million_usd: '0', output_per_million_usd: '1000' };
const NOWHERE = `grp_${'0'.repeat(32)}`;

let database: TestDatabase;
let scene: Scene;
let twin: TestGateway;
let model: Model;

beforeAll(async () => {
  database = await createDatabase();
  scene = await startScene({ gateway: { database } });
  model = await scene.gateway.admin.create<Model>('/models', { name: MODEL, prices: PRICES });
  twin = await TestGateway.start({ database });
});
afterAll(async () => {
  await Promise.all([scene.stop(), twin.stop()]);
  await database.drop();
});

interface Owner {
  groupId: string;
  keyId: string;
  secret: string;
}

async function owner(fields: object = {}): Promise<Owner> {
  const { group, key, secret } = await scene.gateway.admin.issueKey({ group: fields });
  return { groupId: group.id, keyId: key.id, secret };
}

const enter = (id: string, body: object) => scene.gateway.admin.post(`/balances/${id}/entries`, body);
const topUp = (id: string, amount: string, more: object = {}) =>
  scene.gateway.admin.create<LedgerEntry>(`/balances/${id}/entries`, { kind: 'top_up', amount_usd: amount, ...more });
const balanceOf = async (id: string) => (await scene.gateway.admin.get(`/balances/${id}`)).body as Balance;
const ledgerOf = async (id: string, query = '') =>
  ((await scene.gateway.admin.get(`/balances/${id}/entries?limit=200${query}`)).body as { data: LedgerEntry[] }).data;
const respond = ({ secret }: Owner, outputTokens: number, { url = scene.gateway.url, delayMs = 0 } = {}) => {
  const script = directive({ deltas: outputTokens, delta_delay_ms: delayMs });
  const body = { model: MODEL, input: `hi ${script}`, store: false, max_output_tokens: outputTokens };
  return call(url, JSON.stringify(body), { secret });
};
const nano = (usd: string) => Math.round(Number(usd) * 1e9);
const costOfRows = async (column: 'key_id' | 'group_id', publicId: string) => {
  const [row] = await database.query<{ sum: string }>(
    `SELECT coalesce(sum(cost_nano_usd), 0)::text AS sum FROM request_log WHERE replace(${column}::text, '-', '') = $1`,
    [publicId.slice(4)],
  );
  return Number(row?.sum);
};
/** Once so much of it is spent. */
const spent = (id: string, usd: number) =>
  eventually(`${usd} USD spent`, async () => {
    const balance = await balanceOf(id);
    return nano(balance.spent_usd) === nano(String(usd)) ? balance : undefined;
  });

/** Newest first: each entry is the difference between its balance and the one before. */
function expectToAddUp(entries: readonly LedgerEntry[]): void {
  for (const [index, { amount_usd: amount, balance_usd: balance }] of entries.entries()) {
    expect(nano(balance) - nano(entries[index + 1]?.balance_usd ?? '0')).toBe(nano(amount));
  }
}

describe('a prepaid balance', () => {
  it('is needed from the first top-up on, pays for calls, and lets them go on as soon as it is topped up', async () => {
    const group = await owner();
    expect((await respond(group, 10)).status).toBe(200);
    await topUp(group.groupId, '0.025', { reason: 'invoice 7' });
    const answers = [];
    for (let round = 0; round < 4; round++) answers.push(await respond(group, 10));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429]);
    expect(answers[3]?.error).toMatchObject({ type: 'usage_limit_reached', code: 'insufficient_quota' });
    expect(answers[3]?.error?.message).toMatch(/^The balance of your group is used up\./);
    expect(answers[3]?.headers['x-should-retry']).toBe('false');
    expect(await spent(group.groupId, 0.03)).toMatchObject({ balance_usd: '-0.005', credited_usd: '0.025' });
    await topUp(group.groupId, '0.1');
    expect((await respond(group, 10)).status).toBe(200);
    await spent(group.groupId, 0.04);
    const entries = await ledgerOf(group.groupId);
    expectToAddUp(entries);
    expect(entries.at(-1)).toMatchObject({ kind: 'top_up', actor: 'admin_token', reason: 'invoice 7', requests: null });
    expect(entries.filter(({ kind }) => kind === 'usage').reduce((sum, { requests }) => sum + (requests ?? 0), 0)).toBe(
      4,
    );
  });

  it('of a key is its own, besides that of its group, and both are told to Codex and in GET /v1/usage', async () => {
    const both = await owner();
    await topUp(both.groupId, '5.00');
    await topUp(both.keyId, '0.50');
    await respond(both, 100);
    const { headers } = await respond(both, 10);
    expect(headers['x-codex-credits-has-credits']).toBe('true');
    expect(headers['x-codex-credits-unlimited']).toBe('false');
    expect(headers['x-codex-credits-balance']).toBe('0.4');
    await spent(both.keyId, 0.11);
    await spent(both.groupId, 0.11);
    const usage = await call(scene.gateway.url, null, { secret: both.secret, path: '/v1/usage', method: 'GET' });
    const { limits } = JSON.parse(usage.body.toString()) as { limits: object[] };
    expect(limits).toEqual([
      expect.objectContaining({ rule: 'key.balance', limit: 0.5, used: 0.11, remaining: 0.39, unit: 'usd' }),
      expect.objectContaining({ rule: 'group.balance', limit: 5, used: 0.11, remaining: 4.89 }),
    ]);
  });

  it('equals the rows and the ledger after many calls at once on two replicas, and is overspent by one call each at most', async () => {
    const group = await owner();
    await topUp(group.groupId, '0.20');
    await topUp(group.keyId, '100');
    await eventually('the balance at the other replica', async () => {
      const { headers } = await respond(group, 1, { url: twin.url });
      return headers['x-codex-credits-balance'] === undefined ? undefined : true;
    });
    const calls = Array.from({ length: 64 }, (_, index) =>
      respond(group, 10, { url: index % 2 ? twin.url : scene.gateway.url, delayMs: 1 }),
    );
    // Entries of both kinds in between.
    for (let round = 0; round < 10; round++) await topUp(group.keyId, '0.01');
    const statuses = (await Promise.all(calls)).map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([200, 429]));
    const cost = await eventually('all rows', async () => {
      const rows = await costOfRows('group_id', group.groupId);
      const { spent_usd: usd } = await balanceOf(group.groupId);
      return rows === nano(usd) && rows >= statuses.filter((status) => status === 200).length * 1e7 ? rows : undefined;
    });
    // Without Redis, each replica counts for itself what it has seen.
    expect(cost).toBeLessThanOrEqual(2 * 0.21e9);
    for (const id of [group.groupId, group.keyId]) {
      const entries = await ledgerOf(id);
      expectToAddUp(entries);
      expect(nano((await balanceOf(id)).balance_usd)).toBe(nano(entries[0]?.balance_usd ?? ''));
      const used = entries
        .filter(({ kind }) => kind === 'usage')
        .reduce((sum, entry) => sum - nano(entry.amount_usd), 0);
      expect(used).toBe(cost);
    }
  });

  it('changes with costs of the past that are priced again', async () => {
    const group = await owner();
    await topUp(group.groupId, '10');
    const from = new Date().toISOString();
    await respond(group, 100);
    await spent(group.groupId, 0.1);
    const { admin } = scene.gateway;
    await admin.create(`/models/${model.id}/prices`, {
      ...PRICES,
      output_per_million_usd: '2000',
      effective_from: from,
    });
    try {
      const range = { from, to: new Date().toISOString(), group_id: group.groupId };
      expect((await admin.post('/requests/reprice', range)).status).toBe(200);
      await spent(group.groupId, 0.2);
      const [entry] = await ledgerOf(group.groupId, '&kind=repricing');
      expect(entry).toMatchObject({ amount_usd: '-0.1', balance_usd: '9.8', requests: 1 });
      await eventually('what is left at the gateway', async () => {
        const { headers } = await respond(group, 1);
        return Number(headers['x-codex-credits-balance']) < 9.8 ? true : undefined;
      });
    } finally {
      await admin.create(`/models/${model.id}/prices`, PRICES);
    }
  });

  it('does not pay for a call that began before it was opened, and is forgotten when it is closed', async () => {
    const group = await owner();
    const exchange = scene.simulator.nextExchange();
    const running = respond(group, 50, { delayMs: 10 });
    await exchange;
    await topUp(group.groupId, '0.02');
    expect((await running).status).toBe(200);
    expect((await respond(group, 10)).headers['x-codex-credits-balance']).toBe('0.02');
    await spent(group.groupId, 0.01);
    const closed = await scene.gateway.admin.delete(`/balances/${group.groupId}`);
    expect(closed.body).toMatchObject({ kind: 'closing', amount_usd: '-0.01', balance_usd: '0' });
    expect((await scene.gateway.admin.get(`/balances/${group.groupId}`)).status).toBe(404);
    expect((await respond(group, 10)).headers['x-codex-credits-balance']).toBeUndefined();
    await topUp(group.groupId, '1');
    expect((await respond(group, 10)).headers['x-codex-credits-balance']).toBe('1');
    await spent(group.groupId, 0.01);
    expectToAddUp(await ledgerOf(group.groupId));
  });

  it('is what it was after a restart', async () => {
    const group = await owner();
    await topUp(group.groupId, '1');
    await respond(group, 100);
    await spent(group.groupId, 0.1);
    const third = await TestGateway.start({ database });
    try {
      expect((await respond(group, 10, { url: third.url })).headers['x-codex-credits-balance']).toBe('0.9');
    } finally {
      await third.stop();
    }
  });

  it('is told to operators when little is left of the last top-up', async () => {
    const group = await owner({ soft_threshold_percent: 80 });
    await topUp(group.groupId, '100');
    await topUp(group.groupId, '99.9');
    await enter(group.groupId, { kind: 'correction', amount_usd: '-199.8' });
    await respond(group, 10);
    const alerts = async () =>
      (
        (await scene.gateway.admin.get('/alerts?type=group.limit.soft_threshold')).body as { data: Alert[] }
      ).data.filter(({ object_id: id }) => id === group.groupId);
    // 0.1 is left of 99.9: less than a fifth.
    const [alert] = await eventually('an alert', async () => {
      const found = await alerts();
      return found.length > 0 ? found : undefined;
    });
    expect(alert?.data).toMatchObject({ limit_name: 'balance', threshold_percent: 80 });
  });
});

describe('the ledger', () => {
  it('takes corrections, each reference once, and answers what it cannot take with what is wrong', async () => {
    const group = await owner();
    const problem = async (id: string, body: object) => {
      const answer = await enter(id, body);
      return [answer.status, (answer.body as Problem).errors?.[0]?.path];
    };
    expect(await problem(group.groupId, { kind: 'correction', amount_usd: '1' })).toEqual([409, 'kind']);
    expect(await problem(NOWHERE, { kind: 'top_up', amount_usd: '1' })).toEqual([404, undefined]);
    expect(await problem(group.groupId, { kind: 'top_up', amount_usd: '-1' })).toEqual([422, 'amount_usd']);
    expect(await problem(group.groupId, { kind: 'top_up', amount_usd: '0.000' })).toEqual([422, 'amount_usd']);
    expect(await problem(group.groupId, { kind: 'top_up', amount_usd: 1 })).toEqual([422, 'amount_usd']);
    expect(await problem(group.groupId, { kind: 'usage', amount_usd: '1' })).toEqual([422, 'kind']);
    expect((await enter('mdl_1', { kind: 'top_up', amount_usd: '1' })).status).toBe(422);
    const twice = { kind: 'top_up', amount_usd: '3', reference: 'INV-1' };
    const statuses = await Promise.all([1, 2, 3].map(async () => (await enter(group.groupId, twice)).status));
    expect(statuses.toSorted()).toEqual([201, 409, 409]);
    expect(
      (await enter(group.groupId, { kind: 'correction', amount_usd: '-4.5', reason: 'refund' })).body,
    ).toMatchObject({
      amount_usd: '-4.5',
      balance_usd: '-1.5',
    });
    expect((await respond(group, 1)).status).toBe(429);
    const [audit] = await database.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM audit_entries WHERE replace(object_id::text, '-', '') = $1 AND action LIKE 'balance.%'`,
      [group.groupId.slice(4)],
    );
    expect(audit?.count).toBe(2);
  });

  it('is paged, newest first, and lists all balances', async () => {
    const group = await owner();
    for (let round = 1; round <= 5; round++) await topUp(group.groupId, String(round));
    const amounts: string[] = [];
    let cursor = '';
    do {
      const path = `/balances/${group.groupId}/entries?limit=2${cursor && `&cursor=${cursor}`}`;
      const page = (await scene.gateway.admin.get(path)).body as { data: LedgerEntry[]; next_cursor: string | null };
      amounts.push(...page.data.map(({ amount_usd: amount }) => amount));
      cursor = page.next_cursor ?? '';
    } while (cursor);
    expect(amounts).toEqual(['5', '4', '3', '2', '1']);
    const [first] = ((await scene.gateway.admin.get('/balances?limit=1')).body as { data: Balance[] }).data;
    expect(first).toMatchObject({ owner_id: group.groupId, owner_kind: 'group', balance_usd: '15' });
  });

  it.each(['UPDATE ledger_entries SET amount_nano_usd = 0', 'DELETE FROM ledger_entries', 'TRUNCATE ledger_entries'])(
    'refuses %s',
    async (statement) => {
      await expect(database.query(statement)).rejects.toThrow('never changed or deleted');
    },
  );
});
