import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Group } from '../../libs/contract/src/index.js';
import { directive } from '../../apps/simulator/src/simulator.js';
import { findCodex, newCodexHome, removeCodexHome } from '../support/codex.js';
import { createDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { TestGateway } from '../support/gateway.js';
import { TestRedis } from '../support/redis.js';
import { call } from '../support/responses-client.js';
import { CodexScene, MODEL } from './codex-scene.js';

const codex = findCodex();
const WINDOWS = [
  { name: '5 hours', period: '5h', unit: 'tokens', limit: 100_000 },
  { name: 'weekly', period: '7d', unit: 'requests', limit: 100 },
];

let scene: CodexScene;

async function keyOf(group: object): Promise<string> {
  return (await scene.gateway.admin.issueKey({ models: [MODEL], group })).secret;
}

interface RateLimits {
  primary: { used_percent: number; window_minutes: number; resets_at: number } | null;
  secondary: { used_percent: number; window_minutes: number; resets_at: number } | null;
  credits: { has_credits: boolean; unlimited: boolean; balance: string | null } | null;
}

/** What Codex has noted of its limits in the file of a session: what its `/status` shows. */
function notedLimits(home: string): RateLimits | undefined {
  const sessions = join(home, '.codex/sessions');
  const files = readdirSync(sessions, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.jsonl'));
  const noted = files
    .flatMap((file) => readFileSync(join(sessions, file), 'utf8').trim().split('\n'))
    .map((line) => (JSON.parse(line) as { payload?: { rate_limits?: RateLimits | null } }).payload?.rate_limits)
    .findLast((limits) => limits?.primary ?? limits?.credits);
  return noted ?? undefined;
}

(codex ? describe : describe.skip)(`Codex ${codex?.version ?? ''} at the limits of its plan`, () => {
  beforeAll(async () => void (scene = await CodexScene.start()));
  afterAll(() => scene.stop());

  const run = (secret: string, prompt: string, home?: string) =>
    scene.run(codex as NonNullable<typeof codex>, [prompt], { key: secret, ...(home ? { home } : {}) });

  it('shows its windows with the right percentages', async () => {
    const home = newCodexHome();
    try {
      const secret = await keyOf({ windows: WINDOWS });
      expect((await run(secret, `One ${directive({ deltas: 20 })}`, home)).code).toBe(0);
      const done = await run(secret, `Two ${directive({ deltas: 20 })}`, home);
      const rows = await scene.rowsOf(done);
      const limits = notedLimits(home);
      expect(limits?.primary).toMatchObject({ window_minutes: 300 });
      // The headers come before the answer: what the second call uses itself is not among it.
      const before = (await scene.rows()).filter(({ started_at: at }) => at < (rows[0]?.started_at ?? ''));
      const used = before.reduce((sum, row) => sum + (row.input_tokens ?? 0) + (row.output_tokens ?? 0), 0);
      expect(limits?.primary?.used_percent).toBeCloseTo(used / 1_000, 0);
      expect(limits?.secondary).toMatchObject({ used_percent: 2, window_minutes: 10_080 });
      expect(limits?.secondary?.resets_at).toBeGreaterThan(Date.now() / 1_000);
    } finally {
      removeCodexHome(home);
    }
  });

  it('shows what is left of its prepaid balance, and stops after one request when nothing is', async () => {
    const home = newCodexHome();
    try {
      const secret = await keyOf({});
      const [group] = ((await scene.gateway.admin.get('/groups?limit=1')).body as { data: Group[] }).data;
      const topUp = (amount: string) =>
        scene.gateway.admin.create(`/balances/${group?.id}/entries`, { kind: 'top_up', amount_usd: amount });
      await topUp('0.000001');
      expect((await run(secret, `One ${directive({ deltas: 200 })}`, home)).code).toBe(0);
      expect(notedLimits(home)?.credits).toEqual({ has_credits: true, unlimited: false, balance: '0.000001' });
      const stopped = await run(secret, 'Two', home);
      expect(stopped.error).toMatch(/^You.ve hit your usage limit\./);
      expect(await scene.rowsOf(stopped)).toMatchObject([{ status: 429, outcome: 'limited' }]);
      await topUp('5');
      expect((await run(secret, 'Three', home)).code).toBe(0);
      expect(notedLimits(home)?.credits?.balance).toMatch(/^4\.\d+$/);
    } finally {
      removeCodexHome(home);
    }
  });

  it.each([
    ['a plan', { windows: [{ ...WINDOWS[0], limit: 100 }] }, /^You.ve hit your usage limit\..*[Tt]ry again at .+\.$/],
    [
      'a plan, with a word of the operator',
      { windows: [{ ...WINDOWS[0], limit: 100 }], limit_message: 'Ask Ann for more' },
      /^You.ve hit your usage limit\. Ask Ann for more, or try again at .+\.$/,
    ],
    ['a budget', { budget_usd: '0.000001' }, /^You.ve hit your usage limit\./],
  ])('that has used up %s makes one request and says so', async (_, group, sentence) => {
    const secret = await keyOf(group);
    expect((await run(secret, `One ${directive({ deltas: 200 })}`)).code).toBe(0);
    const stopped = await run(secret, 'Two');
    expect(stopped.code).not.toBe(0);
    expect(stopped.error).toMatch(sentence);
    const rows = await scene.rowsOf(stopped);
    expect(rows.map(({ status, outcome }) => [status, outcome])).toEqual([[429, 'limited']]);
  });

  it('waits for its turn when too many of its calls run at once', async () => {
    const secret = await keyOf({ max_concurrency: 1 });
    const runs = await Promise.all(
      ['One', 'Two', 'Three'].map((prompt) =>
        run(secret, `${prompt} ${directive({ deltas: 3, first_delay_ms: 200 })}`),
      ),
    );
    expect(runs.map(({ code, error }) => [code, error])).toEqual(runs.map(() => [0, null]));
    for (const done of runs) expect(await scene.rowsOf(done)).toMatchObject([{ status: 200 }]);
  });

  it('asks once with a wrong key when too many have come from its address, and shows what is wrong', async () => {
    let answer = await call(scene.gateway.url, null);
    while (answer.status === 401) answer = await call(scene.gateway.url, null);
    const stopped = await run('sk-tg-wrong', 'One');
    expect(stopped.code).not.toBe(0);
    expect(stopped.error).toMatch(
      /^You.ve hit your usage limit\. Too many requests without a valid API key .*: check the key, or try again at .+\.$/,
    );
    const rows = await scene.rowsOf(stopped);
    expect(rows.map(({ status, outcome }) => [status, outcome])).toEqual([[429, 'unauthenticated']]);
  });
});

const hasAll = codex !== null && TestRedis.isInstalled();
(hasAll ? describe : describe.skip)(`Codex ${codex?.version ?? ''} at two replicas on one Redis`, () => {
  it('sees one plan, and is stopped by what it has used at the other', async () => {
    const [redis, database] = await Promise.all([TestRedis.start(), createDatabase()]);
    const options = { database, env: { REDIS_URL: redis.url } };
    const home = newCodexHome();
    try {
      scene = await CodexScene.start(options);
      const other = await TestGateway.start(options);
      try {
        const secret = await keyOf({ windows: [{ name: '5 hours', period: '5h', unit: 'requests', limit: 2 }] });
        const runAt = (url: string, prompt: string) =>
          scene.run(codex as NonNullable<typeof codex>, [prompt], { key: secret, home, baseUrl: `${url}/v1` });
        await eventually('the key at the other replica', async () => {
          const { status } = await call(other.url, null, { secret, path: '/v1/usage', method: 'GET' });
          return status === 200 ? true : undefined;
        });
        expect((await runAt(scene.gateway.url, 'One')).code).toBe(0);
        expect(notedLimits(home)?.primary?.used_percent).toBe(50);
        expect((await runAt(other.url, 'Two')).code).toBe(0);
        expect(notedLimits(home)?.primary?.used_percent).toBe(100);
        const stopped = await runAt(scene.gateway.url, 'Three');
        expect(stopped.error).toMatch(/^You.ve hit your usage limit\./);
        expect(await scene.rowsOf(stopped)).toMatchObject([{ status: 429, outcome: 'limited' }]);
      } finally {
        await other.stop();
        await scene.stop();
      }
    } finally {
      removeCodexHome(home);
      await redis.stop();
      await database.drop();
    }
  });
});
