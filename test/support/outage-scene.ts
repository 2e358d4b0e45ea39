import { Simulator } from '../../apps/simulator/src/simulator.js';
import { TestGateway } from './gateway.js';
import { pendingGone } from './kill-rounds.js';
import { type Outage, OwnPostgres } from './own-postgres.js';
import { CallingClients, compared, type Comparison, rssMb } from './request-ledger.js';

export interface OutageOptions {
  outage: Outage;
  perSecond: number;
  /** Before the outage, and after it. */
  aroundMs: number;
  outageMs: number;
}

export interface OutageFigures extends Comparison {
  calls: number;
  failedCalls: number;
  rssGrowthMb: number;
  /** From the return of PostgreSQL to the last row. */
  backlogMs: number;
}

const RSS_EVERY_MS = 500;
const BACKLOG_MS_MAX = 90_000;

/** Calls at a steady pace while PostgreSQL is away. */
export class OutageScene {
  private constructor(
    private readonly postgres: OwnPostgres,
    private readonly simulator: Simulator,
    private readonly gateway: TestGateway,
    private readonly load: CallingClients,
  ) {}

  static async start(): Promise<OutageScene> {
    const [postgres, simulator] = await Promise.all([OwnPostgres.start(), Simulator.start({ exchangesMax: 1_000 })]);
    const gateway = await TestGateway.start({
      env: { DATABASE_URL: postgres.url },
      database: { url: postgres.url, query: (sql) => postgres.query(sql), drop: () => Promise.resolve() },
    });
    const { secret } = await gateway.admin.issueKey({ upstreamBaseUrl: simulator.baseUrl });
    return new OutageScene(postgres, simulator, gateway, new CallingClients(secret, { deltas: 2, delayMs: 10 }));
  }

  async run({ outage, perSecond, aroundMs, outageMs }: OutageOptions): Promise<OutageFigures> {
    const { postgres, simulator, gateway, load } = this;
    const pid = gateway.process.pid ?? 0;
    // Memory goes up and down with the garbage collector: the peak of an outage is compared with that of the time before.
    let rssMax = rssMb(pid);
    const watch = setInterval(() => (rssMax = Math.max(rssMax, rssMb(pid))), RSS_EVERY_MS);
    await load.keepPace(gateway.url, perSecond, aroundMs);
    const rssBefore = rssMax;
    await postgres.begin(outage);
    await load.keepPace(gateway.url, perSecond, outageMs);
    await postgres.end(outage);
    const backAtMs = performance.now();
    // Traffic does not wait for the backlog.
    const after = load.keepPace(gateway.url, perSecond, aroundMs);
    await pendingGone(gateway, BACKLOG_MS_MAX);
    const backlogMs = Math.round(performance.now() - backAtMs);
    await after;
    await pendingGone(gateway, BACKLOG_MS_MAX);
    clearInterval(watch);
    return {
      calls: load.calls.length,
      failedCalls: load.calls.filter(({ isWhole }) => !isWhole).length,
      rssGrowthMb: Math.round(rssMax - rssBefore),
      backlogMs,
      ...(await compared((sql) => postgres.query(sql), load.calls, simulator)),
    };
  }

  async stop(): Promise<void> {
    await this.load.close();
    await this.gateway.stop();
    await this.simulator.close();
    await this.postgres.drop();
  }
}
