import type { Page, Request } from '@app/contract';
import { RedisConnection } from '@app/runtime';
import { ThrottleCounts } from '../../apps/gateway/src/throttling/throttle-counts.js';
import { eventually } from '../support/eventually.js';
import { ADMIN_TOKEN, type TestGateway } from '../support/gateway.js';
import { sendRaw } from '../support/raw-socket.js';
import { Replicas } from '../support/replicas.js';
import { TestRedis } from '../support/redis.js';
import { type Answer, call, callBody } from '../support/responses-client.js';
import { type Scene, startScene } from '../support/scene.js';

/** Few enough to be reached at once. */
const LIMITS = { ADMIN_FAILED_AUTHENTICATIONS_PER_MINUTE: '10', UNAUTHENTICATED_REQUESTS_PER_MINUTE: '60' };

const describeWithRedis = TestRedis.isInstalled() ? describe : describe.skip;

const ask = (url: string, token: string): Promise<Answer> =>
  call(url, null, { secret: token, path: '/admin/v1/keys', method: 'GET' });
const asStranger = (url: string): Promise<Answer> => call(url, callBody('hi'), { secret: 'sk-tg-wrong' });

/** The statuses of so many, one after the other. */
async function statuses(count: number, send: () => Promise<Answer>): Promise<number[]> {
  const seen: number[] = [];
  for (let sent = 0; sent < count; sent++) seen.push((await send()).status);
  return seen;
}

const times = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value);

function secondsOf({ headers }: Answer): number {
  const seconds = Number(headers['retry-after']);
  expect(seconds).toBeGreaterThan(0);
  expect(seconds).toBeLessThanOrEqual(60);
  return seconds;
}

describe('an address that asks too often', () => {
  let scene: Scene;
  let gateway: TestGateway;

  beforeAll(async () => {
    scene = await startScene({ gateway: { env: { ...LIMITS, ADMIN_REQUESTS_PER_MINUTE: '300' } } });
    ({ gateway } = scene);
  });
  afterAll(() => scene.stop());

  it('is told so behind ten requests without the admin token, while the token goes on working', async () => {
    expect(await statuses(10, () => ask(gateway.url, 'wrong-token'))).toEqual(times(10, 401));
    const refused = await ask(gateway.url, 'wrong-token');
    expect(refused.status).toBe(429);
    expect(refused.headers['content-type']).toBe('application/problem+json');
    const seconds = secondsOf(refused);
    expect(JSON.parse(refused.body.toString())).toMatchObject({
      type: 'about:blank',
      status: 429,
      code: 'too_many_requests',
      detail: expect.stringContaining(`Try again in ${seconds} s.`),
      request_id: refused.requestId,
    });
    expect((await call(gateway.url, null, { path: '/admin/v1/nothing', method: 'GET' })).status).toBe(429);
    expect((await ask(gateway.url, ADMIN_TOKEN)).status).toBe(200);
    expect((await ask(gateway.url, 'wrong-token')).status).toBe(429);
    expect(await gateway.metric('tollgate_throttled_requests_total{throttler="admin_failures"}')).toBe(3);
  });

  it('is told so behind sixty requests without a valid key, in words that no client asks again upon', async () => {
    const unknownUrls = await statuses(10, () => call(gateway.url, null, { path: '/v1/nothing', method: 'GET' }));
    expect(unknownUrls).toEqual(times(10, 404));
    expect(await statuses(25, () => call(gateway.url, callBody('hi')))).toEqual(times(25, 401));
    expect(await statuses(25, () => asStranger(gateway.url))).toEqual(times(25, 401));
    const refused = await asStranger(gateway.url);
    expect(refused.status).toBe(429);
    const seconds = secondsOf(refused);
    expect(refused.headers).toMatchObject({
      'x-should-retry': 'false',
      'x-codex-promo-message': expect.stringMatching(/check the key$/),
    });
    expect(refused.error).toMatchObject({
      type: 'usage_limit_reached',
      code: 'too_many_unauthenticated_requests',
      param: null,
      resets_at: expect.any(Number),
    });
    const { resets_at: resetsAt } = refused.error as unknown as { resets_at: number };
    expect(Math.abs(resetsAt - Date.now() / 1000 - seconds)).toBeLessThan(5);
    expect((await call(gateway.url, null, { path: '/v1/nothing', method: 'GET' })).status).toBe(429);
  });

  it('is served at once with a valid key, and upgrades to WebSocket are answered as ever', async () => {
    expect((await asStranger(gateway.url)).status).toBe(429);
    expect((await call(gateway.url, callBody('hi'), { secret: scene.secret })).status).toBe(200);
    const missing = await call(gateway.url, null, { secret: scene.secret, path: '/v1/nothing', method: 'GET' });
    expect(missing.status).toBe(404);
    const upgrade = 'GET /v1/responses HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n';
    expect((await sendRaw(gateway.url, upgrade)).status).toBe(426);
  });

  it('finds each of its requests in the log', async () => {
    const refused = await asStranger(gateway.url);
    expect(await gateway.row(refused.requestId)).toMatchObject({
      status: 429,
      outcome: 'unauthenticated',
      error_code: 'too_many_unauthenticated_requests',
      key_id: null,
    });
    const throttled = await gateway.metric('tollgate_throttled_requests_total{throttler="strangers"}');
    expect(throttled).toBe(4);
    const { body } = await gateway.admin.get('/requests?outcome=unauthenticated&limit=100');
    const rows = (body as Page<Request>).data;
    expect(rows.filter(({ status }) => status === 429)).toHaveLength(throttled);
    expect(rows.filter(({ status }) => status === 401)).toHaveLength(50);
  });

  it('is asked nothing of by health checks, metrics and the page', async () => {
    for (const path of ['/livez', '/readyz', '/metrics', '/console', '/admin/v1/openapi.json']) {
      const seen = await statuses(70, () => call(gateway.url, null, { path, method: 'GET' }));
      expect(new Set(seen)).toEqual(new Set([200]));
    }
  });

  it('is told so when it sends too many requests with the admin token, and then only there', async () => {
    const refused = await eventually('a refusal', async () => {
      const answers = await Promise.all(times(50, 0).map(() => ask(gateway.url, ADMIN_TOKEN)));
      return answers.find(({ status }) => status !== 200);
    });
    expect(refused.status).toBe(429);
    secondsOf(refused);
    expect(JSON.parse(refused.body.toString())).toMatchObject({
      code: 'too_many_requests',
      detail: expect.stringMatching(/^More than 300 requests .*ADMIN_REQUESTS_PER_MINUTE/),
    });
    const other = await call(gateway.url, null, { secret: ADMIN_TOKEN, path: '/admin/v1/groups', method: 'GET' });
    expect(other.status).toBe(429);
    expect((await call(gateway.url, callBody('hi'), { secret: scene.secret })).status).toBe(200);
  });
});

describeWithRedis('replicas on one Redis', () => {
  let replicas: Replicas;

  beforeAll(async () => {
    replicas = await Replicas.start(2, LIMITS);
  });
  afterAll(() => replicas.stop());

  it('count together who fails', async () => {
    const [first = '', second = ''] = replicas.gateways.map(({ url }) => url);
    expect(await statuses(6, () => ask(first, 'wrong-token'))).toEqual(times(6, 401));
    expect(await statuses(4, () => ask(second, 'wrong-token'))).toEqual(times(4, 401));
    expect((await ask(second, 'wrong-token')).status).toBe(429);
    expect((await ask(first, 'wrong-token')).status).toBe(429);
    expect((await ask(first, ADMIN_TOKEN)).status).toBe(200);
  });

  it('count requests that come at the same time each once', async () => {
    const answers = await Promise.all(times(90, 0).map((_, index) => asStranger(replicas.at(index).url)));
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(60);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(30);
  });

  it('count alone what they cannot count together, and fail nobody for it', async () => {
    const redis = await TestRedis.start();
    const connections = ['one', 'other'].map((name) => new RedisConnection(redis.url, name));
    try {
      for (const connection of connections) connection.onModuleInit();
      await eventually('both connections', () => (connections.every(({ isReady }) => isReady) ? true : undefined));
      const clock = { now: Date.now, monotonic: () => performance.now() };
      const [one, other] = connections.map((connection) => new ThrottleCounts(connection, clock)) as [
        ThrottleCounts,
        ThrottleCounts,
      ];
      const hits = async (counts: ThrottleCounts, client = 'a') =>
        (await counts.increment(client, 60_000, 3, 0, 'strangers')).totalHits;
      expect([await hits(one), await hits(other)]).toEqual([1, 2]);
      await redis.kill('SIGSTOP');
      expect(await hits(other)).toBe(3);
      await redis.kill('SIGKILL');
      expect([await hits(other), await hits(one)]).toEqual([4, 2]);
      expect(await hits(one, 'b')).toBe(1);
      expect([...other.refused]).toEqual([['strangers', 1]]);
    } finally {
      for (const connection of connections) connection.onApplicationShutdown();
      await redis.stop();
    }
  });

  it('block for a time of its own, and forget behind it', async () => {
    const connection = new RedisConnection(replicas.redis.url, 'spec');
    try {
      connection.onModuleInit();
      await eventually('a connection', () => (connection.isReady ? true : undefined));
      const key = '{tollgate}:throttle:login:192.0.2.7';
      const counts = () => new ThrottleCounts(connection, { now: Date.now, monotonic: () => performance.now() });
      // Each of another process: nothing is known but by Redis.
      const hit = (blockMs: number) => counts().increment('192.0.2.7', 60_000, 1, blockMs, 'login');
      expect(await hit(900_000)).toMatchObject({ totalHits: 1, isBlocked: false, timeToExpire: 60 });
      expect(await hit(900_000)).toMatchObject({ totalHits: 2, isBlocked: true, timeToBlockExpire: 900 });
      await connection.client?.pexpire(key, 500_000);
      expect(await hit(900_000)).toMatchObject({ totalHits: 3, isBlocked: true, timeToBlockExpire: 500 });
      await connection.client?.pexpire(key, 1);
      expect(
        await eventually('another window', async () => {
          const record = await hit(900_000);
          return record.isBlocked ? undefined : record;
        }),
      ).toMatchObject({ totalHits: 1, timeToExpire: 60 });
    } finally {
      connection.onApplicationShutdown();
    }
  });

  it('answer as ever while Redis is away', async () => {
    await replicas.redis.kill('SIGKILL');
    const [first = ''] = replicas.gateways.map(({ url }) => url);
    // What was counted together is still known.
    expect((await ask(first, 'wrong-token')).status).toBe(429);
    expect((await asStranger(first)).status).toBe(429);
    expect((await ask(first, ADMIN_TOKEN)).status).toBe(200);
    expect(await replicas.at(0).metric('tollgate_throttler_clients')).toBe(3);
  });
});
