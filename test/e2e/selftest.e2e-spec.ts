import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type Breach, BreakingProxy } from '../support/breaking-proxy.js';
import { ADMIN_TOKEN, collectOutput, TestGateway } from '../support/gateway.js';

const ROOT = join(__dirname, '../..');
const ENTRY = join(ROOT, 'dist/cli.js');

/** A busy machine is no reason to fail. */
const PATIENT = ['--patience', '10'];

let gateway: TestGateway;
beforeAll(async () => void (gateway = await TestGateway.start({ env: { SSE_KEEP_ALIVE_SECONDS: '1' } })));
afterAll(() => gateway.stop());

function start(args: string[], { url = gateway.url, token = ADMIN_TOKEN } = {}): ChildProcess {
  return spawn(process.execPath, [ENTRY, 'selftest', ...args], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, TOLLGATE_URL: url, TOLLGATE_ADMIN_TOKEN: token },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

async function ended(child: ChildProcess): Promise<{ code: number | null; output: string }> {
  const output = collectOutput(child);
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output: output() };
}

const run = (args: string[], where?: { url?: string; token?: string }) => ended(start(args, where));

interface Report {
  passed: boolean;
  checks: { name: string; result: string; seen: string }[];
  left_behind: string[];
}

/** Names of all that a self-test has made and that is still there. */
async function leftovers(): Promise<string[]> {
  const kinds = ['groups', 'keys', 'upstreams', 'models'];
  const lists = await Promise.all(kinds.map((kind) => gateway.admin.get(`/${kind}?limit=100`)));
  const names = lists.flatMap(({ body }) => (body as { data: { name: string }[] }).data.map(({ name }) => name));
  return names.filter((name) => name.startsWith('selftest'));
}

it('all checks pass on a gateway that works, the table tells so, and nothing is left behind but rows', async () => {
  const { code, output } = await run(['--keep-alive-seconds', '1', ...PATIENT]);
  const lines = output.trimEnd().split('\n');
  expect(lines.filter((line) => /^(FAILED|skipped) /.test(line))).toEqual([]);
  expect(lines[0]).toMatch(/^check +expected +result +ms$/);
  expect(lines.find((line) => line.startsWith('plain-turn '))).toMatch(/ byte for byte, .* ok +\d+$/);
  expect(lines.at(-1)).toMatch(/^32 passed, 0 failed, 0 skipped in [\d.]+ s$/);
  expect(code).toBe(0);
  expect(await leftovers()).toEqual([]);
  const { body } = await gateway.admin.get('/requests?limit=1&outcome=client_left');
  expect((body as { data: object[] }).data).toHaveLength(1);
});

/** Runs some checks against the gateway behind a proxy that breaks a promise. */
async function runBroken(breach: Breach, checks: string[]): Promise<{ code: number | null; report: Report }> {
  const proxy = await BreakingProxy.start(gateway.url, breach);
  try {
    const { code, output } = await run(['--json', '--only', ...checks], { url: proxy.url });
    return { code, report: JSON.parse(output) as Report };
  } finally {
    await proxy.close();
  }
}

describe('a gateway that', () => {
  it.each<[Breach, string, RegExp]>([
    ['flips_a_byte', 'plain-turn', /^the answer and the one that the provider sent differ from byte \d+ on/],
    ['swallows_upgrades', 'websocket', /^the status of \/v1\/responses is 401 instead of 426$/],
    ['keeps_calls_of_leavers', 'client-leaves', /^the provider still answers 2 s after its client has left$/],
  ])('%s fails exactly %s, with what was seen', async (breach, name, seen) => {
    const { code, report } = await runBroken(breach, [name, 'usage', 'unknown-parts']);
    expect(report.checks.filter(({ result }) => result !== 'passed')).toEqual([
      expect.objectContaining({ name, result: 'failed', seen: expect.stringMatching(seen) }),
    ]);
    expect(report).toMatchObject({ passed: false, left_behind: [] });
    expect(code).toBe(1);
    expect(await leftovers()).toEqual([]);
  });
});

it('that cannot run says why in one line', async () => {
  const [wrongToken, unknownCheck, closedNetwork] = await Promise.all([
    run([], { token: 'tga-wrong' }),
    run(['--only', 'nothing']),
    run(['--simulator-host', '10.9.8.7']),
  ]);
  expect(wrongToken).toEqual({
    code: 1,
    output: `The gateway at ${gateway.url} does not take this admin token (401).\n`,
  });
  expect(unknownCheck.output).toMatch(/^There is no check nothing\. There are: plain-turn, .*\.\n$/);
  expect(closedNetwork.output).toMatch(
    /^The gateway may not call the simulator: .* Start it with 10\.9\.8\.7\/32 added to UPSTREAM_PRIVATE_CIDRS .*\n$/,
  );
  expect(await leftovers()).toEqual([]);
});

it('Ctrl-C ends it in the middle of a check, and removes what was made', async () => {
  const proxy = await BreakingProxy.start(gateway.url, 'holds_calls');
  try {
    const child = start(['--only', 'plain-turn', 'usage'], { url: proxy.url });
    const end = ended(child);
    await proxy.held;
    expect(await leftovers()).not.toEqual([]);
    child.kill('SIGINT');
    const { code, output } = await end;
    expect(code).toBe(130);
    expect(output).toContain('skipped plain-turn: the run was ended before');
    expect(await leftovers()).toEqual([]);
  } finally {
    await proxy.close();
  }
});

it('keeps what it has made when it is asked to, and skips what does not fit into a run, and says both', async () => {
  const { code, output } = await run(['--keep', '--only', 'websocket', 'keep-alive', '--keep-alive-seconds', '60']);
  expect(output).toContain('skipped keep-alive: a silence of 60 s does not fit into a run, 20 s would');
  expect(output).toContain('1 passed, 0 failed, 1 skipped');
  expect(code).toBe(0);
  const [, prefix = '?'] = /^Kept: .* begin with (selftest-\w+-)$/m.exec(output) ?? [];
  const kept = await leftovers();
  expect(kept).toHaveLength(13);
  expect(kept.every((name) => name.startsWith(prefix))).toBe(true);
});
