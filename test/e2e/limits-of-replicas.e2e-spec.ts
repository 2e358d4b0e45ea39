import { directive } from '../../apps/simulator/src/simulator.js';
import { eventually } from '../support/eventually.js';
import { TestRedis } from '../support/redis.js';
import { MODEL, Replicas } from '../support/replicas.js';
import { type Answer, call } from '../support/responses-client.js';

const describeWithRedis = TestRedis.isInstalled() ? describe : describe.skip;

describeWithRedis('three replicas on one Redis', () => {
  let replicas: Replicas;

  beforeAll(async () => {
    replicas = await Replicas.start(3);
  });
  afterAll(() => replicas.stop());

  const respond = (index: number, secret: string, script: object = { deltas: 10 }, fields: object = {}) =>
    call(
      replicas.at(index).url,
      JSON.stringify({ model: MODEL, input: `hi ${directive(script)}`, store: false, ...fields }),
      { secret },
    );
  const served = (answers: readonly Answer[]) => answers.filter(({ status }) => status === 200).length;

  /** On a busy machine Redis may not answer in time: then some decide by their shares, by a tenth too much in all. */
  const atMost = (limit: number): number => {
    const isAlone = replicas.gateways.some((gateway) => gateway.output().includes('counted by this replica alone'));
    return isAlone ? limit * 1.1 : limit;
  };

  it('grant together what one may grant, whoever is asked', async () => {
    const secret = await replicas.limited({ requests_per_minute: 20 });
    const answers = await Promise.all(Array.from({ length: 60 }, (_, index) => respond(index, secret)));
    expect(answers.map(({ status }) => status).filter((status) => status !== 200 && status !== 429)).toEqual([]);
    expect(served(answers)).toBeGreaterThanOrEqual(20);
    expect(served(answers)).toBeLessThanOrEqual(atMost(20));
    const refused = answers.find(({ status }) => status === 429);
    expect(refused?.error?.message).toContain('limit 20, used 2');
    expect(refused?.headers['x-ratelimit-remaining-requests']).toBe('0');
    for (const index of [0, 1, 2]) expect((await replicas.usageAt(index, secret))[0]).toMatchObject({ remaining: 0 });
  });

  it('spend a budget together, beyond it by one call at most, and hold nothing afterwards', async () => {
    const secret = await replicas.limited({ budget_usd: '1.00' });
    // 0.05 USD each.
    const answers = await Promise.all(
      Array.from({ length: 64 }, (_, index) => respond(index, secret, { deltas: 50 }, { max_output_tokens: 50 })),
    );
    const spent = served(answers) * 0.05;
    expect(spent).toBeLessThanOrEqual(1.05);
    await eventually('what was spent, at every replica', async () => {
      const used = await Promise.all([0, 1, 2].map(async (index) => (await replicas.usageAt(index, secret))[0]?.used));
      return used.every((usd) => Math.abs((usd ?? 0) - spent) < 1e-6) ? true : undefined;
    });
    await replicas.settled(secret, 'group.budget');
    let more = 0;
    await eventually('the rest of it used', async () => {
      await respond(more++, secret, { deltas: 50 }, { max_output_tokens: 50 });
      const [budget] = await replicas.usageAt(more, secret);
      return (budget?.used ?? 0) >= 1 ? true : undefined;
    });
    const after = await replicas.settled(secret, 'group.budget');
    expect(after.used).toBeGreaterThanOrEqual(1);
    expect(after.used).toBeLessThanOrEqual(1.05);
  });

  it('let calls wait for a place that another replica has', async () => {
    const secret = await replicas.limited({ max_concurrency: 2 });
    const answers = await Promise.all(
      Array.from({ length: 6 }, (_, index) => respond(index, secret, { deltas: 3, delta_delay_ms: 60 })),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 200]);
  });

  it('grant their shares while Redis is away, and never more than the limit through its loss', async () => {
    const secret = await replicas.limited({ requests_per_minute: 30, max_concurrency: 12 }, { budget_usd: '50.00' });
    const before: Answer[] = [];
    // On a busy machine a call may find that Redis does not answer, and nothing set aside for it yet.
    while (served(before) < 15) before.push(await respond(before.length, secret));
    await replicas.settled(secret, 'key.budget');
    const granted = atMost(30);
    await replicas.redis.stop();
    const during: Answer[] = [];
    for (let round = 0; round < 4; round++) {
      during.push(...(await Promise.all(Array.from({ length: 15 }, (_, index) => respond(index, secret)))));
    }
    expect(during.map(({ status }) => status).filter((status) => status !== 200 && status !== 429)).toEqual([]);
    expect(served(during)).toBeGreaterThanOrEqual(12);
    expect(served(before) + served(during)).toBeLessThanOrEqual(granted);
    replicas.redis = await TestRedis.start(replicas.redis.port);
    // Redis has forgotten everything; the replicas and the log have not.
    await eventually('the replicas to count together', async () => {
      const limits = await Promise.all([0, 1, 2].map((index) => replicas.usageAt(index, secret)));
      const used = limits.map((states) => states.find(({ rule }) => rule === 'group.requests_per_minute')?.used);
      return used.every((amount) => amount === served(before) + served(during)) ? true : undefined;
    });
    const after = await Promise.all(Array.from({ length: 30 }, (_, index) => respond(index, secret)));
    expect(served(before) + served(during) + served(after)).toBeLessThanOrEqual(granted);
    const spent = served(before) + served(during) + served(after);
    await eventually('the budget as the log knows it', async () => {
      await respond(0, secret);
      const budget = (await replicas.usageAt(1, secret)).find(({ rule }) => rule === 'key.budget');
      return Math.abs((budget?.used ?? 0) - spent * 0.01) < 1e-6 ? true : undefined;
    });
  });

  it('take their shares when they are started while Redis is away', async () => {
    const secret = await replicas.limited({ requests_per_minute: 30 });
    await replicas.redis.stop();
    await replicas.gateways[2]?.stop();
    const last = await replicas.startOne(2);
    const answers = await Promise.all(Array.from({ length: 20 }, () => call(last.url, BODY, { secret })));
    expect(served(answers)).toBe(10);
    replicas.redis = await TestRedis.start(replicas.redis.port);
  });
});

const BODY = JSON.stringify({ model: MODEL, input: `hi ${directive({ deltas: 1 })}`, store: false });
