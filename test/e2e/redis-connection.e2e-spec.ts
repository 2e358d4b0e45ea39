import { RedisConnection } from '@app/runtime';
import { eventually } from '../support/eventually.js';
import { TestRedis } from '../support/redis.js';

const describeWithRedis = TestRedis.isInstalled() ? describe : describe.skip;

async function waitMs(work: Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work.catch(() => undefined);
  return performance.now() - start;
}

describeWithRedis('the connection to Redis', () => {
  let redis: TestRedis;
  let connection: RedisConnection;

  beforeAll(async () => {
    redis = await TestRedis.start();
    connection = new RedisConnection(redis.url, 'replica');
    connection.onModuleInit();
    await ready();
  });
  afterAll(async () => {
    connection.onApplicationShutdown();
    await redis.stop();
  });

  const ready = () => eventually('a connection', () => (connection.isReady ? true : undefined));
  const gone = () => eventually('no connection', () => (connection.isReady ? undefined : true));

  it('fails commands instead of waiting while Redis hangs, and works again when it goes on', async () => {
    expect(await connection.client?.set('name', 'value')).toBe('OK');
    await redis.kill('SIGSTOP');
    expect(await waitMs(connection.inTime(connection.client!.get('name')))).toBeLessThan(900);
    await gone();
    expect(await waitMs(connection.client!.get('name'))).toBeLessThan(900);
    await redis.kill('SIGCONT');
    await ready();
    expect(await connection.client?.get('name')).toBe('value');
  });

  it('is made again when Redis was away', async () => {
    const { port } = redis;
    await redis.stop();
    await gone();
    await expect(connection.client?.get('name')).rejects.toThrow();
    redis = await TestRedis.start(port);
    await ready();
    expect(await connection.client?.get('name')).toBeNull();
  });
});

it('needs no Redis', () => {
  const connection = new RedisConnection(null, 'replica');
  connection.onModuleInit();
  expect([connection.client, connection.isReady]).toEqual([null, false]);
  connection.onApplicationShutdown();
});
