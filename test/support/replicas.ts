import { rmSync } from 'node:fs';
import { Simulator } from '../../apps/simulator/src/simulator.js';
import type { Group, IssuedKey, Upstream } from '../../libs/contract/src/index.js';
import { createDatabase, type TestDatabase } from './database.js';
import { eventually } from './eventually.js';
import { temporaryFolder, TestGateway } from './gateway.js';
import { TestRedis } from './redis.js';
import { call } from './responses-client.js';

export const MODEL = 'gpt-5.5';
/** A dollar for a thousand output tokens. */
const PRICES = { input_per_million_usd: '0', output_per_million_usd: '1000' };

interface ShownLimit {
  rule: string;
  used: number;
  remaining: number;
  limit: number;
}

/** On a crowded machine Redis is slow without being away, and a replica that counts alone grants less than all. */
export const PATIENCE_MS = '1000';

/** Gateways on one database and one Redis, with the simulator as their upstream. */
export class Replicas {
  readonly gateways: TestGateway[] = [];
  private count = 0;

  private constructor(
    public redis: TestRedis,
    readonly database: TestDatabase,
    readonly simulator: Simulator,
    private readonly folders: string[],
    private readonly env: Record<string, string>,
  ) {}

  static async start(count: number, env: Record<string, string> = {}): Promise<Replicas> {
    const [redis, database, simulator] = await Promise.all([TestRedis.start(), createDatabase(), Simulator.start()]);
    const folders = Array.from({ length: count }, temporaryFolder);
    const replicas = new Replicas(redis, database, simulator, folders, env);
    const first = await replicas.startOne(0);
    await first.admin.create<Upstream>('/upstreams', { name: 'only', base_url: simulator.baseUrl });
    await first.admin.create('/models', { name: MODEL, prices: PRICES });
    await Promise.all(folders.slice(1).map((_, index) => replicas.startOne(index + 1)));
    return replicas;
  }

  /** The gateway of this place, anew when it has ended: it lives in the same folder. */
  async startOne(index: number): Promise<TestGateway> {
    const env = {
      REDIS_TIMEOUT_MS: PATIENCE_MS,
      ...this.env,
      REDIS_URL: this.redis.url,
      DATA_DIR: this.folders[index] ?? '',
    };
    const gateway = await TestGateway.start({ database: this.database, env });
    this.gateways[index] = gateway;
    return gateway;
  }

  at(index: number): TestGateway {
    return this.gateways[index % this.gateways.length] as TestGateway;
  }

  /** A key in a group of its own, known to every replica. */
  async limited(group: object, key: object = {}): Promise<string> {
    const { admin } = this.at(0);
    const name = `limited-${++this.count}`;
    const { id } = await admin.create<Group>('/groups', { name, models: ['*'], ...group });
    const { secret } = await admin.create<IssuedKey>('/keys', { name, group_id: id, ...key });
    for (const gateway of this.gateways) {
      await eventually('the key at every replica', async () => {
        const { status } = await call(gateway.url, null, { secret, path: '/v1/usage', method: 'GET' });
        return status === 200 ? true : undefined;
      });
    }
    return secret;
  }

  /** How the limits of a key stand, as one of them knows. */
  async usageAt(index: number, secret: string): Promise<ShownLimit[]> {
    const { body } = await call(this.at(index).url, null, { secret, path: '/v1/usage', method: 'GET' });
    return (JSON.parse(body.toString()) as { limits: ShownLimit[] }).limits;
  }

  /** The limit when nothing of it is held any more. */
  settled(secret: string, rule: string): Promise<ShownLimit> {
    return eventually(`nothing held of ${rule}`, async () => {
      const limit = (await this.usageAt(0, secret)).find((one) => one.rule === rule);
      return limit && Math.abs(Math.max(0, limit.limit - limit.used) - limit.remaining) < 1e-6 ? limit : undefined;
    });
  }

  async stop(): Promise<void> {
    await Promise.all(this.gateways.map((gateway) => gateway.stop()));
    await Promise.all([this.database.drop(), this.simulator.close(), this.redis.stop()]);
    for (const folder of this.folders) rmSync(folder, { recursive: true, force: true });
  }
}
