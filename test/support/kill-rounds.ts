import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { Simulator } from '../../apps/simulator/src/simulator.js';
import { eventually } from './eventually.js';
import { TestGateway } from './gateway.js';
import { CallingClients, compared, type Comparison } from './request-ledger.js';

export interface KillRoundsOptions {
  rounds: number;
  clients: number;
  /** A gateway is killed at a random moment of this time. */
  killWithinMs: number;
  /** Environment of the gateways, which share a DATA_DIR and a database. */
  env: Record<string, string>;
  query: <Row extends object>(sql: string) => Promise<Row[]>;
  /** Called in the middle of a round. */
  disturb?: () => Promise<void>;
}

/** Kills gateways under load, one after the other; then compares what the last one has in its log. */
export async function killRounds(options: KillRoundsOptions): Promise<Comparison> {
  const { rounds, clients, killWithinMs, env, query } = options;
  const simulator = await Simulator.start({ exchangesMax: Infinity });
  const start = () =>
    TestGateway.start({ env, database: { url: env.DATABASE_URL ?? '', query, drop: () => Promise.resolve() } });
  let gateway = await start();
  const { secret } = await gateway.admin.issueKey({ upstreamBaseUrl: simulator.baseUrl });
  await gateway.admin.create('/models', {
    name: 'gpt-5.5',
    prices: { input_per_million_usd: '1.25', output_per_million_usd: '10' },
  });
  const load = new CallingClients(secret, { deltas: 4, delayMs: 20 });
  try {
    for (let round = 0; round < rounds; round++) {
      if (round > 0) gateway = await start();
      const exited = once(gateway.process, 'exit');
      const busy = load.keepBusy(gateway.url, clients);
      // Until answers flow, so that the moment is one of theirs.
      await eventually('an answer', () => (load.calls.at(-1)?.isWhole ? true : undefined));
      const atMs = Math.random() * killWithinMs;
      await delay(atMs / 2);
      await options.disturb?.();
      await delay(atMs / 2);
      gateway.process.kill('SIGKILL');
      load.stop();
      await Promise.all([exited, busy]);
    }
    gateway = await start();
    await pendingGone(gateway, 30_000);
    return await compared(query, load.calls, simulator);
  } finally {
    await load.close();
    await gateway.stop();
    await simulator.close();
  }
}

/** Resolves when every row is in PostgreSQL. */
export async function pendingGone(gateway: TestGateway, giveUpMs: number): Promise<void> {
  await eventually(
    'an end of the backlog',
    async () => {
      const { log_rows_pending: pending } = (await (await fetch(`${gateway.url}/readyz`)).json()) as {
        log_rows_pending: number;
      };
      return pending === 0 ? true : undefined;
    },
    giveUpMs,
  );
}
