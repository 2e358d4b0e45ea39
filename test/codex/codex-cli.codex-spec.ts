import type { Request, Usage } from '../../libs/contract/src/index.js';
import { directive } from '../../apps/simulator/src/simulator.js';
import {
  askDoctor,
  type Codex,
  type CodexRun,
  findCodex,
  newCodexHome,
  projectFolder,
  removeCodexHome,
} from '../support/codex.js';
import { CodexScene, costNanoUsd, MODEL, nano, tokensUsed, UUID } from './codex-scene.js';
import { keepResults } from './results.js';
import type { Working } from './tables.js';

const TEST_TIMEOUT_MS = 60_000;
/** What seven attempts of a WebSocket cost where a server answers them with anything but 426. */
const WEBSOCKET_RETRIES_MS = 7_000;

const found = findCodex();
const foundOld = findCodex('old');
const configured: Working[] = [];

let scene: CodexScene;
let home: string;

if (found ?? foundOld) {
  beforeAll(async () => {
    scene = await CodexScene.start();
  });
  afterAll(async () => {
    await scene.stop();
    keepResults({ configuration: configured });
  });
}
beforeEach(() => {
  home = newCodexHome();
});
afterEach(() => removeCodexHome(home));

const hello = directive({ text: 'Hello from Tollgate' });

/** Both answer a request in the same way, whatever way was configured to lead it here. */
describe.each([
  ['0.169', found],
  ['0.118', foundOld],
])('Codex CLI %s', (_, codex) => {
  if (!codex) return it.skip('is not installed', () => undefined);

  it.each([
    ['/v1', 'POST /v1/responses'],
    ['/v1/', 'POST /v1/responses'],
    ['', 'POST /responses'],
    ['/', 'POST /responses'],
  ])(
    'shows the answer when its base URL is the gateway’s host and "%s"',
    async (path, route) => {
      const run = await scene.run(codex, [`Say hello ${hello}`], { home, baseUrl: scene.gateway.url + path });

      expect(run).toMatchObject({ code: 0, stdout: 'Hello from Tollgate\n' });
      expect(await scene.rowsOf(run)).toMatchObject([{ outcome: 'ok', route }]);
      configured.push({ what: `\`base_url\` is the host and "${path}"`, version: codex.version, requests: 1 });
    },
    TEST_TIMEOUT_MS,
  );

  it.each([
    ['/v1', '/v1/responses'],
    ['', '/responses'],
  ])(
    'asks for a WebSocket once, and goes on by HTTP at once, when it is the built-in provider of host and "%s"',
    async (path, route) => {
      const baseUrl = scene.gateway.url + path;
      const run = await scene.run(codex, [`Say hello ${hello}`], { home, baseUrl, provider: 'openai' });

      expect(run).toMatchObject({ code: 0, stdout: 'Hello from Tollgate\n', error: null });
      expect(run.stderr).not.toMatch(/Reconnecting|Falling back|warning: (?!.*bubblewrap)/);
      const rows = await scene.rowsOf(run);
      expect(rows).toMatchObject([
        { kind: 'websocket', route: `GET ${route}`, status: 426, error_code: 'websocket_not_supported', cost_usd: '0' },
        { kind: 'response', route: `POST ${route}`, outcome: 'ok' },
      ]);
      expect(run.durationMs).toBeLessThan(WEBSOCKET_RETRIES_MS);
      const exchanges = scene.exchangesOf(run);
      expect(exchanges).toHaveLength(1);
      scene.expectCleanHeaders(exchanges);
      scene.expectSameBill(rows);
      configured.push({
        what: `\`openai_base_url\` is the host and "${path}": a WebSocket refused, then HTTP`,
        version: codex.version,
        requests: rows.length,
      });
    },
    TEST_TIMEOUT_MS,
  );
});

(found ? describe : describe.skip)('What the terminal of Codex CLI 0.169 shows', () => {
  const codex = found as Codex;
  const run = (args: string[]) => scene.run(codex, args, { home });

  /** Nothing but what Codex prints on its own, and then exactly this: no warning, no retry, no error. */
  function expectTerminal({ heading, settings, transcript }: CodexRun, expected: unknown[]): void {
    expect(heading).toEqual([`OpenAI Codex v${codex.version}`]);
    expect(settings).toEqual({
      workdir: projectFolder(home),
      model: expect.any(String),
      provider: 'tollgate',
      approval: 'never',
      sandbox: 'danger-full-access',
      'reasoning effort': 'none',
      'reasoning summaries': 'none',
      'session id': expect.stringMatching(UUID),
    });
    expect(transcript).toEqual(expected);
  }

  it(
    'is the answer and nothing else, even when the upstream names the dated model that it has served',
    async () => {
      const prompt = `Say hello ${directive({ text: 'Hello', model_header: `${MODEL}-2026-04-01` })}`;
      const session = await run([prompt]);

      expect(session).toMatchObject({ code: 0, stdout: 'Hello\n' });
      // Given that name, Codex tells its user of an account "flagged for potentially high-risk cyber activity".
      const rows = await scene.rowsOf(session);
      expectTerminal(session, ['user', prompt, 'codex', 'Hello', 'tokens used', tokensUsed(rows)]);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'is the command that the model asks for, its output, and the answer',
    async () => {
      const command = 'echo tollgate-$((40+2))';
      const prompt = `Run it ${directive({ shell: command })}`;
      const session = await run([prompt]);

      const rows = await scene.rowsOf(session);
      expect(rows).toMatchObject([{ outcome: 'ok' }, { outcome: 'ok' }]);
      expectTerminal(session, [
        'user',
        prompt,
        'exec',
        expect.stringContaining(`'${command}' in ${projectFolder(home)}`),
        expect.stringMatching(/^ succeeded in \d+ms:$/),
        'tollgate-42',
        '',
        'codex',
        expect.stringMatching(/^The command answered: .*tollgate-42$/),
        'tokens used',
        tokensUsed(rows),
      ]);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'is after one request which models there are when the model is not allowed',
    async () => {
      const upstreamCalls = scene.simulator.exchanges.length;
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
      expect(await scene.rowsOf(session)).toMatchObject([
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
      expect(scene.simulator.exchanges).toHaveLength(upstreamCalls);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'is no failure when the doctor is asked',
    async () => {
      const options = { codex, home, baseUrl: `${scene.gateway.url}/v1`, key: scene.secret };
      const advice = await askDoctor(options);

      expect(advice).toContain('active provider endpoints are reachable over HTTP');
      expect(advice).toMatch(/tollgate API route probe .* route exists \(HTTP 401\)/);
      expect(advice).toMatch(/\b0 fail\b/);
      configured.push({ what: '`codex doctor`', version: codex.version, requests: 2 });
    },
    TEST_TIMEOUT_MS,
  );
});

(found ? describe : describe.skip)('The bill of Codex CLI 0.169', () => {
  it(
    'is to the token and the nano-dollar what the upstream has billed, in the log and in the totals',
    async () => {
      await scene.run(found as Codex, [`Think first ${directive({ reasoning: true })}`], { home });

      const all: Request[] = await scene.rows();
      scene.expectSameBill(all);
      const { overall } = scene.simulator.ledger.totals;
      expect(all.filter(({ outcome }) => outcome === 'ok')).toHaveLength(overall.responses);
      expect(overall.reasoningTokens).toBeGreaterThan(0);
      const [total] = ((await scene.gateway.admin.get('/usage')).body as Usage).data;
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
