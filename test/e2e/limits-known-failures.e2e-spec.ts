import { directive } from '../../apps/simulator/src/simulator.js';
import { Limiter, subjectLimits } from '../../libs/limits/src/index.js';
import { SharedLimits } from '../../libs/limits/src/shared-limits.js';
import { type Clock, RedisConnection } from '../../libs/runtime/src/index.js';
import { eventually } from '../support/eventually.js';
import { leavingCall } from '../support/leaving-client.js';
import { TestRedis } from '../support/redis.js';
import { type Answer, call } from '../support/responses-client.js';
import { type Scene, startScene } from '../support/scene.js';

const MODEL = 'gpt-5.5';
/** A dollar for a thousand output tokens. */
const PRICES = { input_per_million_usd: '0', output_per_million_usd: '1000' };

let scene: Scene;

beforeAll(async () => {
  scene = await startScene();
  await scene.gateway.admin.create('/models', { name: MODEL, prices: PRICES });
});
afterAll(() => scene.stop());

async function limited(group: object): Promise<string> {
  return (await scene.gateway.admin.issueKey({ group })).secret;
}

const bodyOf = (script: object = { deltas: 1 }, fields: object = {}): string =>
  JSON.stringify({ model: MODEL, input: `hi ${directive(script)}`, store: false, ...fields });
const respond = (secret: string, script?: object, fields?: object): Promise<Answer> =>
  call(scene.gateway.url, bodyOf(script, fields), { secret });
const served = (answers: readonly Answer[]) => answers.filter(({ status }) => status === 200).length;
const usageOf = async (secret: string) => {
  const { body } = await call(scene.gateway.url, null, { secret, path: '/v1/usage', method: 'GET' });
  return (JSON.parse(body.toString()) as { limits: { rule: string; used: number; resets_at: string | null }[] }).limits;
};

describe('a limit of requests', () => {
  it('of 100 lets exactly 100 of a thousand through that come at once', async () => {
    const secret = await limited({ requests_per_minute: 100 });
    const answers = await Promise.all(Array.from({ length: 1_000 }, () => respond(secret)));
    expect(served(answers)).toBe(100);
    // On a busy machine the gateway may turn some away because it has too much to do.
    const others = answers.filter(({ status }) => ![200, 429, 503].includes(status));
    expect(others).toEqual([]);
  });

  it('of 1 lets the first through and not the second', async () => {
    const secret = await limited({ requests_per_minute: 1 });
    expect([(await respond(secret)).status, (await respond(secret)).status]).toEqual([200, 429]);
  });

  it('is not used by requests that are refused, which do not put off its end either', async () => {
    const secret = await limited({ requests_per_minute: 2 });
    await Promise.all([respond(secret), respond(secret)]);
    const [before] = await usageOf(secret);
    for (let round = 0; round < 20; round++) await respond(secret);
    const [after] = await usageOf(secret);
    expect(after?.used).toBe(2);
    const putOffMs = Date.parse(after?.resets_at ?? '') - Date.parse(before?.resets_at ?? '');
    expect(Math.abs(putOffMs)).toBeLessThan(50);
  });

  it('that is reached is named in the body, the headers and the log, and told from a limit of the provider', async () => {
    const secret = await limited({ requests_per_minute: 1 });
    await respond(secret);
    const own = await respond(secret);
    expect(own.error).toMatchObject({
      type: 'rate_limit_exceeded',
      code: 'rate_limit_exceeded',
      rule: 'group.requests_per_minute',
      limit: 1,
      used: 1,
    });
    expect(Number(own.headers['retry-after'])).toBeGreaterThan(0);
    expect(own.headers['x-ratelimit-remaining-requests']).toBe('0');
    expect(await scene.gateway.row(own.requestId)).toMatchObject({
      outcome: 'limited',
      attempts: 0,
      upstream_status: null,
      error_message: expect.stringContaining('your group on requests per minute: limit 1, used 1') as string,
    });
    const theirs = await respond(scene.secret, { fault: { kind: 'status', status: 429 } });
    expect(theirs.status).toBe(429);
    expect(theirs.error).not.toHaveProperty('rule');
    expect(await scene.gateway.row(theirs.requestId)).toMatchObject({
      outcome: 'upstream_error',
      upstream_status: 429,
    });
  });
});

describe('places for calls at the same time', () => {
  it('are all free after 500 calls whose clients have left', async () => {
    const secret = await limited({ max_concurrency: 5, queue_wait_ms: 200 });
    const body = bodyOf({ deltas: 20, delta_delay_ms: 5 }, { stream: true });
    for (let round = 0; round < 10; round++) {
      const leaving = Array.from({ length: 50 }, (_, index) =>
        leavingCall(scene.gateway.url, body, { secret, afterMs: (index * 7) % 60 }),
      );
      await Promise.all(leaving);
    }
    await eventually('five at once', async () => {
      const answers = await Promise.all(
        Array.from({ length: 5 }, () => respond(secret, { deltas: 1, first_delay_ms: 50 })),
      );
      return served(answers) === 5 ? true : undefined;
    });
  });
});

describe('a budget that is used up', () => {
  it('was overspent by one call at most by fifty that came at 99 % of it', async () => {
    const secret = await limited({ budget_usd: '1.00' });
    await respond(secret, { deltas: 990 }, { max_output_tokens: 990 });
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => respond(secret, { deltas: 20 }, { max_output_tokens: 20 })),
    );
    expect(served(answers)).toBe(1);
    const [budget] = await usageOf(secret);
    expect(budget?.used).toBeCloseTo(1.01, 9);
  });

  it('refuses every route that costs something, and no other leads around it', async () => {
    const secret = await limited({ budget_usd: '0.001' });
    await respond(secret, { deltas: 2 });
    const statusOf = async (path: string, body: object) =>
      (await call(scene.gateway.url, JSON.stringify(body), { secret, path })).status;
    const input = [{ type: 'message', role: 'user', content: [{ type: 'input_text', text: 'hi' }] }];
    const costing = ['/v1/responses', '/responses', '/v1/responses/compact', '/responses/compact'];
    for (const path of costing) expect([path, await statusOf(path, { model: MODEL, input })]).toEqual([path, 429]);
    const unknown = [
      '/v1/chat/completions',
      '/v1/completions',
      '/v1/embeddings',
      '/v1/images/generations',
      '/v1/audio/speech',
    ];
    for (const path of unknown) expect([path, await statusOf(path, { model: MODEL, input })]).toEqual([path, 404]);
    // Nothing is generated.
    expect(await statusOf('/v1/responses/input_tokens', { model: MODEL, input })).toBe(200);
    expect((await call(scene.gateway.url, null, { secret, path: '/v1/models', method: 'GET' })).status).toBe(200);
  });
});

(TestRedis.isInstalled() ? describe : describe.skip)('a day of a plan', () => {
  it('begins anew once, whichever replica sees it first', async () => {
    const redis = await TestRedis.start();
    const clock = { nowMs: Date.UTC(2026, 2, 1, 12), now: () => clock.nowMs, monotonic: () => performance.now() };
    const replicas = ['one', 'other'].map((name) => limiterOf(redis.url, name, clock));
    try {
      for (const { limiter } of replicas) await limiter.join();
      await eventually('both to count together', async () =>
        replicas.every(({ limiter }) => limiter.isShared) ? true : undefined,
      );
      for (const { limiter, fresh } of replicas) {
        limiter.adopt('group', 'g', subjectLimits({ ...NO_LIMITS, windows: [DAILY] }));
        await limiter.takePast(fresh.splice(0).map((rule) => ({ fresh: rule, past: [] })));
      }
      const admitted = async (index: number): Promise<boolean> => {
        const { limiter } = replicas[index] as (typeof replicas)[number];
        const answer = await limiter.admitShared(limiter.subjectsOf(null, 'g', null), NOTHING);
        if ('reservation' in answer) answer.reservation.settle();
        return 'reservation' in answer;
      };
      expect([await admitted(0), await admitted(1), await admitted(0), await admitted(1)]).toEqual([
        true,
        true,
        true,
        false,
      ]);
      clock.nowMs += 12 * 3_600_000;
      expect([await admitted(0), await admitted(1), await admitted(1), await admitted(0)]).toEqual([
        true,
        true,
        true,
        false,
      ]);
    } finally {
      for (const { close } of replicas) close();
      await redis.stop();
    }
  });
});

const NOTHING = { inputTokens: 0, tokens: 0, nanoUsd: 0 };
const DAILY = { name: 'daily', period: 'day', unit: 'requests', limit: 3 } as const;
const NO_LIMITS = {
  requestsPerMinute: null,
  inputTokensPerMinute: null,
  tokensPerMinute: null,
  maxConcurrency: null,
  budgetNanoUsd: null,
};

function limiterOf(redisUrl: string, name: string, clock: Clock) {
  const redis = new RedisConnection(redisUrl, name);
  redis.onModuleInit();
  const shared = new SharedLimits(redis, clock);
  const limiter = new Limiter(clock, shared);
  const fresh: Parameters<NonNullable<Limiter['onFreshRules']>>[0][number][] = [];
  limiter.onFreshRules = (rules) => void fresh.push(...rules);
  return {
    limiter,
    fresh,
    close: () => {
      shared.onApplicationShutdown();
      redis.onApplicationShutdown();
    },
  };
}
