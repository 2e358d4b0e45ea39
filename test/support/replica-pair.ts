import { directive, Simulator } from '../../apps/simulator/src/simulator.js';
import type { Issued, IssueOptions } from './admin-client.js';
import { createDatabase, type TestDatabase } from './database.js';
import { eventually } from './eventually.js';
import { TestGateway } from './gateway.js';
import { type Answer, call } from './responses-client.js';

export const MODEL = 'gpt-5.5';

/** Two gateways on one database, without Redis, with the simulator as their upstream. */
export class ReplicaPair {
  private constructor(
    readonly database: TestDatabase,
    readonly simulator: Simulator,
    readonly one: TestGateway,
    readonly other: TestGateway,
  ) {}

  static async start(): Promise<ReplicaPair> {
    const [database, simulator] = await Promise.all([createDatabase(), Simulator.start()]);
    // The first one makes the tables.
    const one = await TestGateway.start({ database });
    await one.admin.create('/upstreams', { name: 'only', base_url: simulator.baseUrl });
    await one.admin.create('/models', {
      name: MODEL,
      prices: { input_per_million_usd: '1', output_per_million_usd: '2' },
    });
    return new ReplicaPair(database, simulator, one, await TestGateway.start({ database }));
  }

  /** A key in a group of its own, known to both. */
  async issue(group: IssueOptions['group'] = {}): Promise<Issued> {
    const issued = await this.one.admin.issueKey({ group });
    await eventually('the key at the other replica', async () => {
      const { status } = await call(this.other.url, null, { secret: issued.secret, path: '/v1/models', method: 'GET' });
      return status === 200 ? true : undefined;
    });
    return issued;
  }

  /** A whole call, answered as JSON. */
  respond(secret: string, at = this.one, script: object = { deltas: 2 }): Promise<Answer> {
    return call(at.url, scriptedBody(script, { stream: false }), { secret });
  }

  async stop(): Promise<void> {
    await Promise.all([this.one.stop(), this.other.stop()]);
    await Promise.all([this.database.drop(), this.simulator.close()]);
  }
}

/** The body of a call that the simulator answers as the script says. */
export function scriptedBody(script: object, fields: object = {}): string {
  return JSON.stringify({ model: MODEL, input: `hi ${directive(script)}`, store: false, stream: true, ...fields });
}
