import type { Page, Request, Usage } from '../../libs/contract/src/index.js';
import { directive, type LedgerSums, Simulator } from '../../apps/simulator/src/simulator.js';
import { type Codex, type CodexRun, findCodex, newCodexHome, removeCodexHome, runCodex } from '../support/codex.js';
import { eventually } from '../support/eventually.js';
import { TestGateway } from '../support/gateway.js';

const MODEL = 'gpt-5.5';
const PRICES = {
  input_per_million_usd: '1.25',
  cached_input_per_million_usd: '0.125',
  cache_write_per_million_usd: '1.5',
  output_per_million_usd: '10',
  reasoning_per_million_usd: '12',
};
const TEST_TIMEOUT_MS = 60_000;

const found = findCodex();
if (!found)
  process.stderr.write('No Codex CLI: its tests are skipped. `npm run test:codex` installs it and runs them.\n');

(found ? describe : describe.skip)('Codex CLI', () => {
  const codex = found as Codex;
  let gateway: TestGateway;
  let simulator: Simulator;
  let secret: string;
  let home: string;

  beforeAll(async () => {
    [gateway, simulator] = await Promise.all([TestGateway.start(), Simulator.start()]);
    await gateway.admin.create('/models', { name: MODEL, prices: PRICES });
    ({ secret } = await gateway.admin.issueKey({ models: [MODEL], upstreamBaseUrl: simulator.baseUrl }));
  });
  beforeEach(() => {
    home = newCodexHome();
  });
  afterEach(() => removeCodexHome(home));
  afterAll(async () => {
    await gateway.stop();
    await simulator.close();
  });

  /** Runs Codex in the home of this test. */
  function run(args: string[], { baseUrl = `${gateway.url}/v1`, key = secret } = {}): Promise<CodexRun> {
    return runCodex({ codex, baseUrl, key, args, home });
  }

  /** Rows of the request log, oldest first, once every request that has been made is among them. */
  async function rows(query = ''): Promise<Request[]> {
    await eventually('a request log that is up to date', async () => {
      const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
      const isIdle = ['requests_in_flight', 'log_rows_pending'].every((name) =>
        metrics.includes(`\ntollgate_${name} 0\n`),
      );
      return isIdle || undefined;
    });
    const answer = await gateway.admin.get(`/requests?limit=200${query}`);
    expect(answer.status).toBe(200);
    return (answer.body as Page<Request>).data.toReversed();
  }

  const rowsOf = (session: CodexRun) => rows(`&session=${session.settings['session id']}`);

  /** Nothing but what Codex 0.169.0 prints on its own, and then exactly this: no warning, no retry, no error. */
  function expectTerminal({ heading, settings, transcript }: CodexRun, expected: unknown[]): void {
    expect(heading).toEqual([`OpenAI Codex v${codex.version}`]);
    expect(settings).toEqual({
      workdir: `${home}/project`,
      model: expect.any(String),
      provider: 'tollgate',
      approval: 'never',
      sandbox: 'danger-full-access',
      'reasoning effort': 'none',
      'reasoning summaries': 'none',
      'session id': expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    expect(transcript).toEqual(expected);
  }

  it.each([
    ['/v1', 'POST /v1/responses'],
    ['', 'POST /responses'],
  ])(
    'shows the answer and nothing else when its base URL is the gateway’s host and "%s"',
    async (path, route) => {
      const prompt = `Say hello ${directive({ text: 'Hello from Tollgate' })}`;
      const session = await run([prompt], { baseUrl: `${gateway.url}${path}` });

      expect(session).toMatchObject({ code: 0, stdout: 'Hello from Tollgate\n' });
      const made = await rowsOf(session);
      expect(made).toMatchObject([{ outcome: 'ok', route }]);
      expectTerminal(session, ['user', prompt, 'codex', 'Hello from Tollgate', 'tokens used', tokensUsed(made)]);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'warns of nothing when the upstream names the dated model that it has served',
    async () => {
      const prompt = `Say hello ${directive({ text: 'Hello', model_header: `${MODEL}-2026-04-01` })}`;
      const session = await run([prompt]);

      expect(session).toMatchObject({ code: 0, stdout: 'Hello\n' });
      // Given that name, Codex tells its user of an account "flagged for potentially high-risk cyber activity".
      expectTerminal(session, ['user', prompt, 'codex', 'Hello', 'tokens used', tokensUsed(await rowsOf(session))]);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'runs the command that the model asks for and answers with its output, in two requests of one session',
    async () => {
      const command = 'echo tollgate-$((40+2))';
      const prompt = `Run it ${directive({ shell: command })}`;
      const session = await run([prompt]);

      expect(session).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/^The command answered: .*tollgate-42\n$/),
      });
      const made = await rowsOf(session);
      expect(made).toMatchObject([{ outcome: 'ok' }, { outcome: 'ok' }]);
      expectTerminal(session, [
        'user',
        prompt,
        'exec',
        expect.stringContaining(`'${command}' in ${home}/project`),
        expect.stringMatching(/^ succeeded in \d+ms:$/),
        'tollgate-42',
        '',
        'codex',
        session.stdout.trimEnd(),
        'tokens used',
        tokensUsed(made),
      ]);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'goes on with its last session, and the model is told what was said before',
    async () => {
      const first = await run([`Remember 4711 ${directive({ reasoning: true, text: 'It is remembered' })}`]);
      const prompt = `Which number? ${directive({ text: 'It was 4711' })}`;
      const second = await run(['resume', '--last', prompt]);

      expect(second).toMatchObject({ code: 0, stdout: 'It was 4711\n' });
      expect(second.settings['session id']).toBe(first.settings['session id']);
      const told = simulator.exchanges.at(-1)?.body.toString();
      for (const part of ['Remember 4711', 'It is remembered', '"type":"reasoning"']) expect(told).toContain(part);
      const made = await rowsOf(second);
      expect(made).toMatchObject([{ outcome: 'ok' }, { outcome: 'ok' }]);
      expectTerminal(second, ['user', prompt, 'codex', 'It was 4711', 'tokens used', tokensUsed(made)]);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'tells its user after one request which models there are when the model is not allowed',
    async () => {
      const upstreamCalls = simulator.exchanges.length;
      const session = await run(['-m', 'no-such-model', 'Hi']);

      expect(session).toMatchObject({ code: 1, stdout: '' });
      const sentence = `The model 'no-such-model' is not available to this API key. Use one of: ${MODEL}.`;
      expectTerminal(session, [
        'user',
        'Hi',
        // Of Codex itself, for any model that it does not know.
        expect.stringMatching(/^warning: Model metadata for `no-such-model` not found\. /),
        `ERROR: ${sentence}`,
        `ERROR: ${sentence}`,
      ]);
      expect(await rowsOf(session)).toMatchObject([
        {
          model: 'no-such-model',
          outcome: 'forbidden',
          status: 403,
          error_code: 'model_not_found',
          error_message: sentence,
          settlement: 'final',
          cost_usd: '0',
        },
      ]);
      expect(simulator.exchanges).toHaveLength(upstreamCalls);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'tells its user what to do about a wrong key, and the id of the request',
    async () => {
      const upstreamCalls = simulator.exchanges.length;
      const session = await run(['Hi'], { key: 'tg-wrong' });

      expect(session).toMatchObject({ code: 1, stdout: '' });
      const made = await rowsOf(session);
      const refusal = { outcome: 'unauthenticated', status: 401, error_code: 'invalid_api_key', key_id: null };
      // Codex itself asks five times more after any 401.
      expect(made).toMatchObject(Array.from({ length: 6 }, () => refusal));
      const last = made.at(-1);
      expect(last?.error_message).toMatch(/^The API key is not valid.*ask your operator/);
      const report =
        `ERROR: unexpected status 401 Unauthorized: ${last?.error_message}, ` +
        `url: ${gateway.url}/v1/responses, request id: ${last?.id}`;
      const retries = [1, 2, 3, 4, 5].map((attempt) => `ERROR: Reconnecting... ${attempt}/5`);
      expectTerminal(session, ['user', 'Hi', ...retries, report, report]);
      expect(simulator.exchanges).toHaveLength(upstreamCalls);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'is billed to the token and the nano-dollar what the upstream has billed',
    async () => {
      await run([`Think first ${directive({ reasoning: true })}`]);

      const all = await rows();
      const answered = all.filter(({ outcome }) => outcome === 'ok');
      expect(answered.map(billOf)).toEqual(
        simulator.ledger.entries.map(({ responseId, totalTokens: _, outcome, ...usage }) => {
          expect(outcome).toBe('completed');
          return { ...usage, responseId, costNanoUsd: costNanoUsd(usage) };
        }),
      );
      for (const row of answered) {
        expect(row).toMatchObject({
          status: 200,
          stream: true,
          settlement: 'final',
          usage_source: 'terminal_event',
          usage_estimated: false,
          error_code: null,
          attempts: 1,
          client: `codex_exec/${codex.version}`,
          session_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        });
      }

      const { overall } = simulator.ledger.totals;
      expect(overall.reasoningTokens).toBeGreaterThan(0);
      const [total] = ((await gateway.admin.get('/usage')).body as Usage).data;
      expect(total).toMatchObject({
        requests: all.length,
        errors: all.length - overall.responses,
        input_tokens: overall.inputTokens,
        cached_tokens: overall.cachedTokens,
        cache_write_tokens: overall.cacheWriteTokens,
        output_tokens: overall.outputTokens,
        reasoning_tokens: overall.reasoningTokens,
      });
      expect(nano(total?.cost_usd)).toBe(costNanoUsd(overall));
    },
    TEST_TIMEOUT_MS,
  );
});

/** What Codex tells its user at the end: every token of the session that did not come from the cache. */
function tokensUsed(session: Request[]): string {
  const used = session.map((row) => (row.input_tokens ?? 0) - (row.cached_tokens ?? 0) + (row.output_tokens ?? 0));
  return used.reduce((sum, tokens) => sum + tokens, 0).toLocaleString('en-US');
}

function billOf(row: Request) {
  return {
    responseId: row.response_id,
    model: row.served_model,
    inputTokens: row.input_tokens,
    cachedTokens: row.cached_tokens,
    cacheWriteTokens: row.cache_write_tokens,
    outputTokens: row.output_tokens,
    reasoningTokens: row.reasoning_tokens,
    costNanoUsd: nano(row.cost_usd),
  };
}

/** Exact, because every price here is a whole number of nano-dollars per token. */
function costNanoUsd(usage: Omit<LedgerSums, 'responses' | 'totalTokens'>): bigint {
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
function nano(usd: string | null | undefined): bigint {
  const [whole = '0', fraction = ''] = (usd ?? '0').split('.');
  return BigInt(whole + fraction.padEnd(9, '0'));
}
