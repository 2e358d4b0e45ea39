// oxlint-disable jest/no-standalone-expect -- what every test of the suite expects, in one place
import type { Page, Request, Upstream } from '../../libs/contract/src/index.js';
import { type Exchange, type LedgerSums, Simulator } from '../../apps/simulator/src/simulator.js';
import { type Codex, type CodexOptions, type CodexRun, runCodex } from '../support/codex.js';
import { eventually } from '../support/eventually.js';
import { type GatewayOptions, TestGateway } from '../support/gateway.js';

export const MODEL = 'gpt-5.5';
/** Whole numbers of nano-dollars per token, so that every cost is exact. */
const PRICES = {
  input_per_million_usd: '1.25',
  cached_input_per_million_usd: '0.125',
  cache_write_per_million_usd: '1.5',
  output_per_million_usd: '10',
  reasoning_per_million_usd: '12',
};
const UPSTREAM_CREDENTIAL = 'sk-upstream-of-the-operator';
const ROWS_MAX = 200;
/** Of all errors, with every retry. */
const EXCHANGES_MAX = 5_000;

type RunOptions = Partial<Omit<CodexOptions, 'codex' | 'args'>>;

/** A gateway with one priced model, the simulator behind it, and a key to give to Codex. */
export class CodexScene {
  private constructor(
    readonly gateway: TestGateway,
    readonly simulator: Simulator,
    readonly secret: string,
    private readonly upstreamId: string,
  ) {}

  static async start(gatewayOptions?: GatewayOptions): Promise<CodexScene> {
    const [gateway, simulator] = await Promise.all([
      TestGateway.start(gatewayOptions),
      Simulator.start({ exchangesMax: EXCHANGES_MAX }),
    ]);
    await gateway.admin.create('/models', { name: MODEL, prices: PRICES });
    const { id } = await gateway.admin.create<Upstream>('/upstreams', {
      name: 'simulator',
      base_url: simulator.baseUrl,
      credential: UPSTREAM_CREDENTIAL,
    });
    const { secret } = await gateway.admin.issueKey({ models: [MODEL] });
    return new CodexScene(gateway, simulator, secret, id);
  }

  async stop(): Promise<void> {
    await this.gateway.stop();
    await this.simulator.close();
  }

  /** Changes how the gateway reaches the simulator. */
  async changeUpstream(change: Partial<Pick<Upstream, 'enabled' | 'base_url'>>): Promise<void> {
    const { status } = await this.gateway.admin.patch(`/upstreams/${this.upstreamId}`, change);
    expect(status).toBe(200);
  }

  /** Runs `codex exec` against the gateway. */
  run(codex: Codex, args: string[], options: RunOptions = {}): Promise<CodexRun> {
    return runCodex({ codex, baseUrl: `${this.gateway.url}/v1`, key: this.secret, args, ...options });
  }

  /** The whole request log, oldest first, once every request that has been made is in it. */
  async rows(query = ''): Promise<Request[]> {
    await eventually('a request log that is up to date', async () => {
      const metrics = await (await fetch(`${this.gateway.url}/metrics`)).text();
      const isIdle = ['requests_in_flight', 'log_rows_pending'].every((name) =>
        metrics.includes(`\ntollgate_${name} 0\n`),
      );
      return isIdle || undefined;
    });
    const answer = await this.gateway.admin.get(`/requests?limit=${ROWS_MAX}${query}`);
    expect(answer.status).toBe(200);
    return (answer.body as Page<Request>).data.toReversed();
  }

  /** The requests of a run, and of those that it resumed. */
  rowsOf(run: CodexRun): Promise<Request[]> {
    return this.rows(`&session=${sessionOf(run)}`);
  }

  /** What reached the upstream of a run, and of those that it resumed. */
  exchangesOf(run: CodexRun): Exchange[] {
    return this.simulator.exchanges.filter(
      ({ headers }) => (headers['session-id'] ?? headers['session_id']) === sessionOf(run),
    );
  }

  /** Every answer is billed to the token and the nano-dollar as the upstream has billed it, and nothing else is. */
  expectSameBill(rows: readonly Request[]): void {
    const answered = rows.filter(({ response_id }) => response_id !== null);
    const billed = this.simulator.ledger.entries.filter(({ responseId }) =>
      answered.some((row) => row.response_id === responseId),
    );
    expect(answered.map(billOf).toSorted(byResponse)).toEqual(
      billed
        .map(({ totalTokens: _, outcome: __, ...usage }) => ({ ...usage, costNanoUsd: costNanoUsd(usage) }))
        .toSorted(byResponse),
    );
    for (const row of answered) {
      expect(row).toMatchObject({
        settlement: 'final',
        usage_source: 'terminal_event',
        usage_estimated: false,
        attempts: 1,
        cost_usd: expect.any(String),
      });
    }
  }

  /** Only what an upstream may know arrives there, and in the operator's name. */
  expectCleanHeaders(exchanges: readonly Exchange[]): void {
    for (const { headers, body } of exchanges) {
      expect(Object.keys(headers).filter((name) => !name.startsWith('x-codex-') && !TO_UPSTREAM.has(name))).toEqual([]);
      expect(headers).toMatchObject({
        authorization: `Bearer ${UPSTREAM_CREDENTIAL}`,
        accept: 'text/event-stream',
        'accept-encoding': 'identity',
        'content-type': 'application/json',
        originator: 'codex_exec',
        'user-agent': expect.stringMatching(/^codex_exec\/0\.\d+\.0 /),
        'x-client-request-id': expect.stringMatching(UUID),
        'x-codex-turn-metadata': expect.stringContaining('"session_id":"'),
      });
      expect(body.includes(this.secret)).toBe(false);
    }
  }
}

const TO_UPSTREAM = new Set([
  'accept',
  'accept-encoding',
  'authorization',
  'connection',
  'content-length',
  'content-type',
  'host',
  'originator',
  'session-id',
  'session_id',
  'thread-id',
  'user-agent',
  'version',
  'x-client-request-id',
  'x-openai-subagent',
]);

export const UUID = /^[0-9a-f-]{36}$/;

export function sessionOf(run: CodexRun): string {
  const session = run.settings['session id'];
  if (!session) throw new Error(`Codex has begun no session:\n${run.stderr}`);
  return session;
}

/** The input items of a request, as the upstream got them. */
export function inputOf(exchange: Exchange | undefined): Record<string, unknown>[] {
  return (JSON.parse(exchange?.body.toString() ?? '{}') as { input: Record<string, unknown>[] }).input;
}

/** What Codex tells its user at the end: every token of the session that did not come from the cache. */
export function tokensUsed(session: Request[]): string {
  const used = session.map((row) => (row.input_tokens ?? 0) - (row.cached_tokens ?? 0) + (row.output_tokens ?? 0));
  return used.reduce((sum, tokens) => sum + tokens, 0).toLocaleString('en-US');
}

function billOf(row: Request) {
  return {
    responseId: row.response_id ?? '',
    model: row.served_model,
    inputTokens: row.input_tokens,
    cachedTokens: row.cached_tokens,
    cacheWriteTokens: row.cache_write_tokens,
    outputTokens: row.output_tokens,
    reasoningTokens: row.reasoning_tokens,
    costNanoUsd: nano(row.cost_usd),
  };
}

function byResponse(one: { responseId: string }, other: { responseId: string }): number {
  return one.responseId.localeCompare(other.responseId);
}

/** What so much usage costs. */
export function costNanoUsd(usage: Omit<LedgerSums, 'responses' | 'totalTokens'>): bigint {
  const { inputTokens, cachedTokens, cacheWriteTokens, outputTokens, reasoningTokens } = usage;
  const charges: [number, string][] = [
    [inputTokens - cachedTokens - cacheWriteTokens, PRICES.input_per_million_usd],
    [cachedTokens, PRICES.cached_input_per_million_usd],
    [cacheWriteTokens, PRICES.cache_write_per_million_usd],
    [outputTokens - reasoningTokens, PRICES.output_per_million_usd],
    [reasoningTokens, PRICES.reasoning_per_million_usd],
  ];
  return charges.reduce((sum, [tokens, price]) => sum + (BigInt(tokens) * nano(price)) / 1_000_000n, 0n);
}

/** Nano-dollars of a decimal string, exactly. */
export function nano(usd: string | null | undefined): bigint {
  const [whole = '0', fraction = ''] = (usd ?? '0').split('.');
  return BigInt(whole + fraction.padEnd(9, '0'));
}
