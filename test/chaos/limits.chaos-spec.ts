import { setTimeout as delay } from 'node:timers/promises';
import { directive } from '../../apps/simulator/src/simulator.js';
import type { Balance, Group, LedgerEntry } from '../../libs/contract/src/index.js';
import { eventually } from '../support/eventually.js';
import { TestGateway } from '../support/gateway.js';
import { leavingCall } from '../support/leaving-client.js';
import { TestRedis } from '../support/redis.js';
import { MODEL, Replicas } from '../support/replicas.js';
import { call } from '../support/responses-client.js';
import { report, setting } from './figures.js';

const SECONDS = setting('LIMIT_SECONDS', 180);
const MINUTE_MS = 60_000;
const REQUESTS = 60;
const TOKENS = 100_000;
const TOKENS_PER_CALL = 1_000;
const CLIENTS = 64;

jest.setTimeout(3_600_000);

interface Served {
  atMs: number;
  amount: number;
}

const describeWithRedis = TestRedis.isInstalled() ? describe : describe.skip;

describeWithRedis.each([1, 3])('limits of %d replicas', (count) => {
  let replicas: Replicas;

  beforeAll(async () => {
    replicas = await Replicas.start(count);
  });
  afterAll(() => replicas.stop());

  it('let as much through as they say, under ten times as much', async () => {
    const figures = await underLoad(replicas, async () => undefined);
    report(`limits_${count}`, figures);
    const least = count === 1 ? 0.99 : 0.95;
    for (const share of [figures.requests, figures.tokens]) {
      expect(share.ofAll).toBeGreaterThanOrEqual(least);
      expect(share.ofWorstMinute).toBeLessThanOrEqual(2 - least);
    }
    expect(figures.statuses.filter((status) => status !== 200 && status !== 429)).toEqual([]);
  });

  it('never let more than 110 % through when Redis dies in the middle and comes back empty', async () => {
    const figures = await underLoad(replicas, async () => {
      await delay((SECONDS * 1000) / 3);
      await replicas.redis.kill('SIGKILL');
      await delay((SECONDS * 1000) / 6);
      const { port } = replicas.redis;
      await replicas.redis.stop();
      replicas.redis = await TestRedis.start(port);
    });
    report(`limits_${count}_redis_dies`, figures);
    for (const share of [figures.requests, figures.tokens]) expect(share.ofWorstMinute).toBeLessThanOrEqual(1.1);
    expect(figures.statuses.filter((status) => status !== 200 && status !== 429)).toEqual([]);
  });

  it('keep 64 clients to a budget and a balance of a dollar, some of whom leave, through a crash', async () => {
    const secret = await replicas.limited({ budget_usd: '1.00', on_client_left: 'drain' });
    const { admin } = replicas.at(0);
    const [group] = ((await admin.get('/groups?limit=1')).body as { data: Group[] }).data;
    const balanceUrl = `/balances/${group?.id}`;
    await admin.create(`${balanceUrl}/entries`, { kind: 'top_up', amount_usd: '1.00' });
    replicas.simulator.ledger.reset();
    const untilMs = performance.now() + 6_000;
    const script = { deltas: 20, delta_delay_ms: 10 };
    const body = JSON.stringify({
      model: MODEL,
      input: `hi ${directive(script)}`,
      stream: true,
      store: false,
      max_output_tokens: 20,
    });
    const client = async (index: number): Promise<void> => {
      for (let round = 0; performance.now() < untilMs; round++) {
        const { url } = replicas.at(index + round);
        if ((index + round) % 4 === 0) await leavingCall(url, body, { secret, afterMs: 100 });
        else await call(url, body, { secret }).catch(() => undefined);
        await delay(20);
      }
    };
    const clients = Promise.all(Array.from({ length: CLIENTS }, (_, index) => client(index)));
    await delay(300);
    const dying = replicas.at(count - 1).process;
    dying.kill('SIGKILL');
    await delay(500);
    await replicas.startOne(count - 1);
    await clients;
    const budget = await replicas.settled(secret, 'group.budget');
    await delay(500);
    const [rows] = await replicas.database.query<{ cost: string; crashed: string }>(
      `SELECT sum(cost_nano_usd) AS cost, count(*) FILTER (WHERE outcome = 'gateway_crash') AS crashed
       FROM request_log WHERE key_name LIKE 'limited-%' AND group_id = (SELECT group_id FROM api_keys ORDER BY id DESC LIMIT 1)`,
    );
    const billed = replicas.simulator.ledger.entries.reduce((sum, { outputTokens }) => sum + outputTokens, 0) / 1000;
    const balance = (await replicas.at(0).admin.get(balanceUrl)).body as Balance;
    const { data: entries } = (await replicas.at(0).admin.get(`${balanceUrl}/entries?kind=usage&limit=200`)).body as {
      data: LedgerEntry[];
    };
    const figures = {
      ledger_usd: -entries.reduce((sum, { amount_usd: usd }) => sum + Math.round(Number(usd) * 1e9), 0) / 1e9,
      settled_usd: budget.used,
      rows_usd: Number(rows?.cost) / 1e9,
      simulator_usd: billed,
      crashed: Number(rows?.crashed),
    };
    report(`budget_${count}`, figures);
    expect(figures.rows_usd).toBeLessThanOrEqual(1.02);
    expect(figures.ledger_usd).toBe(figures.rows_usd);
    expect(Number(balance.spent_usd)).toBe(figures.rows_usd);
    expect(budget.used).toBeLessThanOrEqual(1.02);
    expect(budget.used).toBeGreaterThanOrEqual(figures.rows_usd - 1e-6);
  });

  it('take back what a replica held that died, as used until it tells', async () => {
    const secret = await replicas.limited({ budget_usd: '10.00', max_concurrency: 2 });
    const lost = await TestGateway.start({
      database: replicas.database,
      env: { REDIS_URL: replicas.redis.url },
    });
    const dying = ['a', 'b'].map(() =>
      call(
        lost.url,
        JSON.stringify({
          model: MODEL,
          input: `hi ${directive({ deltas: 50, delta_delay_ms: 200 })}`,
          stream: true,
          max_output_tokens: 50,
        }),
        { secret },
      ).catch(() => null),
    );
    await eventually('both places taken', async () => {
      const [budget] = await replicas.usageAt(0, secret);
      return budget && budget.limit - budget.remaining > 0.09 ? true : undefined;
    });
    lost.process.kill('SIGKILL');
    await Promise.all(dying);
    // Its places are free when it has not been heard of for five seconds.
    const { status } = await call(
      replicas.at(0).url,
      JSON.stringify({ model: MODEL, input: `hi ${directive({ deltas: 10 })}` }),
      { secret },
    );
    expect(status).toBe(200);
    const budget = await replicas.settled(secret, 'group.budget');
    expect(budget.used).toBeCloseTo(0.11, 6);
    await lost.stop();
  });
});

/** Ten times as much as a limit of requests and one of tokens allow, spread over all replicas. */
async function underLoad(replicas: Replicas, disturb: () => Promise<void>) {
  const ofRequests = await replicas.limited({ requests_per_minute: REQUESTS });
  const ofTokens = await replicas.limited({ tokens_per_minute: TOKENS });
  const usage = { input_tokens: 10, output_tokens: TOKENS_PER_CALL - 10, total_tokens: TOKENS_PER_CALL };
  const statuses = new Set<number>();
  const load = async (secret: string, script: object, amount: number, perSecond: number, fields: object) => {
    const served: Served[] = [];
    const running: Promise<void>[] = [];
    const body = JSON.stringify({ model: MODEL, input: `hi ${directive(script)}`, store: false, ...fields });
    const startMs = performance.now();
    for (let index = 0; performance.now() - startMs < SECONDS * 1000; index++) {
      const atMs = performance.now();
      running.push(
        call(replicas.at(index).url, body, { secret }).then(({ status }) => {
          statuses.add(status);
          if (status === 200) served.push({ atMs, amount });
        }),
      );
      await delay(Math.max(0, startMs + ((index + 1) * 1000) / perSecond - performance.now()));
    }
    await Promise.all(running);
    return served;
  };
  const [requests, tokens] = await Promise.all([
    load(ofRequests, { deltas: 1 }, 1, REQUESTS / 6, {}),
    load(ofTokens, { deltas: 1, usage }, TOKENS_PER_CALL, TOKENS / TOKENS_PER_CALL / 6, { max_output_tokens: 990 }),
    disturb(),
  ]);
  return { requests: shares(requests, REQUESTS), tokens: shares(tokens, TOKENS), statuses: [...statuses] };
}

/** What was let through, as a part of what the limit allows: in all, and within any minute. */
function shares(served: readonly Served[], perMinute: number) {
  const times = served.toSorted((one, other) => one.atMs - other.atMs);
  let worst = 0;
  let within = 0;
  let first = 0;
  for (const { atMs, amount } of times) {
    within += amount;
    while (atMs - (times[first]?.atMs ?? atMs) >= MINUTE_MS) within -= times[first++]?.amount ?? 0;
    worst = Math.max(worst, within);
  }
  const all = times.reduce((sum, { amount }) => sum + amount, 0);
  const minutes = Math.ceil((SECONDS * 1000) / MINUTE_MS);
  return { ofAll: all / (perMinute * minutes), ofWorstMinute: worst / perMinute };
}
