import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Simulator } from '../../apps/simulator/src/simulator.js';
import type {
  ConfigDiff,
  Explanation,
  IssuedKey,
  Key,
  Request,
  Upstream,
  Usage,
} from '../../libs/contract/src/index.js';
import { startTollgate, tollgate } from '../support/command-line.js';
import { eventually } from '../support/eventually.js';
import { TestGateway } from '../support/gateway.js';
import { call, callBody } from '../support/responses-client.js';

let gateway: TestGateway;
let simulator: Simulator;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tollgate-cli-'));
  [gateway, simulator] = await Promise.all([TestGateway.start(), Simulator.start()]);
});
afterAll(async () => {
  await gateway.stop();
  await simulator.close();
  rmSync(folder, { recursive: true, force: true });
});

const run = (...args: string[]) => tollgate(gateway.url, args);
const json = async <T>(...args: string[]): Promise<T> => {
  const { code, stdout, stderr } = await run(...args, '--json');
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as T;
};

describe('from nothing to a key', () => {
  it('goes by names, tells the key once, and how Codex is told of it', async () => {
    const env = { PROVIDER_KEY: 'sk-provider' };
    const made = await tollgate(
      gateway.url,
      ['upstreams', 'create', 'provider', '--base-url', simulator.baseUrl, '--credential-env', 'PROVIDER_KEY'],
      { env },
    );
    expect(made).toMatchObject({ code: 0, stderr: '' });
    expect(
      await run('models', 'create', 'gpt-5.5', '--aliases', 'best', '--input-price', '1.25', '--output-price', '10'),
    ).toMatchObject({ code: 0 });
    expect(await run('groups', 'create', 'team', '--models', 'gpt-*,best', '--budget', '20.00')).toMatchObject({
      code: 0,
    });
    const { code, stdout } = await run('keys', 'create', 'ann', '--group', 'team', '--owner', 'ann@example.com');
    expect(code).toBe(0);
    const secret = /sk-tg-\w+/.exec(stdout)?.[0] ?? '';
    expect(stdout).toContain(
      `model = "gpt-5.5"\nmodel_provider = "tollgate"\n\n[model_providers.tollgate]\nname = "Tollgate"\nbase_url = "${gateway.url}/v1"\nenv_key = "TOLLGATE_KEY"\nwire_api = "responses"`,
    );
    expect(stdout).toContain(`export TOLLGATE_KEY=${secret}`);
    const answer = await call(gateway.url, callBody('hi'), { secret });
    expect(answer.status).toBe(200);
    await gateway.row(String(answer.headers['x-request-id']));
    const [row] = await json<Request[]>('requests', 'list', '--key', 'ann', '--status', '2xx');
    expect(row).toMatchObject({ key_name: 'ann', model: 'gpt-5.5', status: 200 });
    expect((await run('requests', 'show', row?.id ?? '')).stdout).toMatch(/^outcome +ok$/m);
    expect((await json<Usage['data']>('usage'))[0]).toMatchObject({ model: 'gpt-5.5', key_name: 'ann', requests: 1 });
    expect((await run('usage', '--bucket', 'day')).stdout).toMatch(/^START .*\n.* gpt-5.5 +ann +1 /);
    expect((await run('upstreams', 'test', 'provider')).stdout).toMatch(/^provider: fine/);
  });

  it('and rotated, revoked and deleted, by name or id', async () => {
    const [ann] = await json<Key[]>('keys', 'list', '--group', 'team');
    const rotated = await json<IssuedKey>('keys', 'rotate', 'ann', '--overlap', '0');
    expect((await call(gateway.url, callBody('hi'), { secret: rotated.secret })).status).toBe(200);
    expect(await run('keys', 'revoke', ann?.id ?? '')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('revoked'),
    });
    expect((await call(gateway.url, callBody('hi'), { secret: rotated.secret })).status).toBe(401);
    expect((await run('keys', 'show', 'ann')).stdout).toMatch(/^status +revoked$/m);
    expect((await run('keys', 'list')).stdout).not.toContain(rotated.secret);
    expect(await run('keys', 'delete', 'ann')).toMatchObject({ code: 0 });
    expect(await json<Key[]>('keys', 'list')).toEqual([]);
  });
});

describe('everyday commands', () => {
  it('trip an upstream and reset it, change a group, explain a call and tell how the gateway is', async () => {
    expect(await json<Upstream>('upstreams', 'trip', 'provider')).toMatchObject({ state: 'tripped' });
    expect(await json<Upstream>('upstreams', 'reset', 'provider')).toMatchObject({ state: 'healthy' });
    const changed = [
      'groups',
      'update',
      'team',
      '--requests-per-minute',
      '5',
      '--budget',
      'none',
      '--set',
      '{"time_zone":"Europe/Berlin"}',
    ];
    expect(await json('groups', ...changed.slice(1))).toMatchObject({
      requests_per_minute: 5,
      budget_usd: null,
      time_zone: 'Europe/Berlin',
      models: ['best', 'gpt-*'],
    });
    await run('keys', 'create', 'bob', '--group', 'team');
    expect(await json<Explanation>('explain', '--key', 'bob', '--model', 'other')).toMatchObject({
      decision: 'refused',
      status: 403,
    });
    const explained = await run('explain', '--key', 'bob', '--model', 'best');
    expect(explained.stdout).toContain('It would be served.');
    expect(explained.stdout).toMatch(/provider +gpt-5.5/);
    expect(await json('status')).toMatchObject({ state: 'ok', database: 'ok' });
  });

  it('follow requests as they end', async () => {
    const tail = startTollgate(gateway.url, ['requests', 'tail', '--json', '--key', 'bob']);
    const { secret } = await json<IssuedKey>('keys', 'rotate', 'bob');
    try {
      const line = await eventually('a request in the tail', async () => {
        await call(gateway.url, callBody('hi'), { secret });
        return tail
          .output()
          .split('\n')
          .find((text) => text.startsWith('{'));
      });
      expect(JSON.parse(line)).toMatchObject({ key_name: 'bob' });
    } finally {
      await tail.stop();
    }
  });
});

describe('what goes wrong', () => {
  it.each<[string[], number, string | RegExp]>([
    [['keys', 'show', 'nobody'], 1, 'tollgate: there is no key nobody; tollgate keys list shows what there is\n'],
    [['groups', 'create', 'team'], 1, 'tollgate: There is already one of this name. Choose another name.\n'],
    [
      ['groups', 'create', 'g', '--set', '{"windows":[{"name":"w"}],"colour":1}'],
      1,
      /^tollgate: .*\n {2}windows\.0\.period is required\n(?:.*\n)* {2}colour is not a known field\n$/,
    ],
    [['groups', 'create', 'g', '--set', 'x'], 64, /It must be a JSON object/],
    [['groups', 'update', 'team', '--max-concurrency', 'many'], 64, /It must be a whole number, or none/],
    [['models', 'create', 'm', '--input-price', '1'], 64, /go together/],
    [
      ['upstreams', 'create', 'u', '--base-url', 'http://127.0.0.1', '--credential-env', 'NOT_SET'],
      64,
      /NOT_SET is not set/,
    ],
    [['nonsense'], 64, /unknown command/],
    [['keys', 'create', 'x'], 64, /--group/],
    [['keys', 'list', '--token', 'wrong'], 1, /admin token/],
    [['keys', 'list', '--url', 'http://127.0.0.1:1'], 1, /no gateway answers at http:\/\/127.0.0.1:1/],
  ])('%j ends with %i and says so on stderr', async (args, code, stderr) => {
    const result = await run(...args);
    expect(result).toMatchObject({ code, stdout: '' });
    expect(result.stderr).toEqual(typeof stderr === 'string' ? stderr : expect.stringMatching(stderr));
  });

  it('is told when there is no token, and where it was', async () => {
    const result = await tollgate(gateway.url, ['keys', 'list'], { env: { TOLLGATE_ADMIN_TOKEN: '' } });
    expect(result).toMatchObject({ code: 1, stderr: expect.stringContaining('set TOLLGATE_ADMIN_TOKEN') });
  });
});

describe('a configuration file', () => {
  const fileOf = (text: string) => {
    const path = join(folder, 'tollgate.yaml');
    writeFileSync(path, text);
    return path;
  };

  it('is compared, applied and compared again: 2, 0, 0', async () => {
    const env = { CREDENTIAL: 'sk-from-here' };
    const file = fileOf(
      'version: 1\nupstreams:\n  - name: filed\n    base_url: http://127.0.0.1:9\n    credential: ${CREDENTIAL}\ngroups:\n  - name: team\n    models: [gpt-5.5]\nkeys:\n  - name: filed\n    group: team\n',
    );
    const diff = await tollgate(gateway.url, ['config', 'diff', file], { env });
    expect(diff).toMatchObject({ code: 2, stderr: '' });
    expect(diff.stdout).toContain('+ upstream filed\n');
    expect(diff.stdout).toContain('~ group team\n');
    expect(diff.stdout).toContain('    models: ["best","gpt-*"] → ["gpt-5.5"]\n');
    expect(diff.stdout).not.toContain('sk-from-here');
    expect(diff.stdout).toContain('2 to make, 1 to change, 0 to delete.');
    expect((await tollgate(gateway.url, ['config', 'apply', file], { env })).code).toBe(64);
    const applied = await tollgate(gateway.url, ['config', 'apply', file, '--yes'], { env });
    expect(applied).toMatchObject({ code: 0, stderr: '' });
    expect(applied.stdout).toMatch(/The secret of the key filed, shown this once: sk-tg-\w{49}/);
    expect(await tollgate(gateway.url, ['config', 'diff', file], { env })).toMatchObject({
      code: 0,
      stdout: 'Nothing is to be changed.\n',
    });
    expect(await run('config', 'drift')).toMatchObject({ code: 0 });
    await run('groups', 'update', 'team', '--models', '');
    expect(await run('config', 'drift')).toMatchObject({
      code: 2,
      stdout: expect.stringContaining('models: [] → ["gpt-5.5"]'),
    });
  });

  it('that is wrong is told by line and column, before and behind the API', async () => {
    const file = fileOf('version: 1\ngroups:\n  - name: new\n    models: gpt\n');
    for (const command of [
      ['validate', file],
      ['diff', file],
      ['apply', file, '--yes'],
    ]) {
      const { code, stderr } = await run('config', ...command);
      expect(code).toBe(1);
      expect(stderr).toBe(`tollgate: ${file}:4:5: groups.0.models must be a array, not string\n`);
    }
  });

  it('with a secret in it is taken with a warning; - is the standard input, JSON is YAML', async () => {
    const upstream = { name: 'piped', base_url: 'http://127.0.0.1:9', credential: 'sk-literal' };
    const input = JSON.stringify({ version: 1, upstreams: [upstream] });
    const { code, stdout, stderr } = await tollgate(gateway.url, ['config', 'diff', '-', '--json'], { input });
    expect(code).toBe(2);
    expect((JSON.parse(stdout) as ConfigDiff).data).toMatchObject([{ action: 'create', name: 'piped' }]);
    expect(stderr).toContain('upstreams.0.credential is a secret in the file itself');
    expect(stderr).not.toContain('sk-literal');
  });

  it('is exported, and applied again as it is kept', async () => {
    const { code, stdout } = await run('config', 'export', '--secrets', 'keep');
    expect(code).toBe(0);
    expect(await run('config', 'apply', fileOf(stdout), '--yes')).toMatchObject({ code: 0, stderr: '' });
    expect(await run('config', 'diff', fileOf(stdout))).toMatchObject({ code: 0 });
  });
});

describe('help', () => {
  it.each([['--help'], ['keys', 'create', '--help'], ['config', 'diff', '--help']])(
    'is there (%j …)',
    async (...args) => {
      const { code, stdout } = await tollgate('http://127.0.0.1:1', args);
      expect(code).toBe(0);
      expect(stdout).toContain('Usage: tollgate');
    },
  );
});
