import { type ChildProcess, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { ADMIN_TOKEN, collectOutput, spawnGateway, temporaryFolder, TestGateway } from '../support/gateway.js';
import { AdminClient } from '../support/admin-client.js';
import { createDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { call, callBody } from '../support/responses-client.js';

const ROOT = join(__dirname, '../..');
const folders: string[] = [];
const children: ChildProcess[] = [];

/** A folder that is removed when the tests are done. */
function folder(): string {
  folders.push(temporaryFolder());
  return folders.at(-1) ?? '';
}
afterAll(() => {
  // A test that failed half-way must leave no process behind.
  for (const child of children) child.kill('SIGKILL');
  for (const path of folders) rmSync(path, { recursive: true, force: true });
});

interface Started {
  url: string;
  output: () => string;
  stop: (signal?: NodeJS.Signals) => Promise<number | null>;
}

async function start(env: Record<string, string>, entry?: string): Promise<Started> {
  const child = spawnGateway(env, entry);
  children.push(child);
  const output = collectOutput(child);
  const exit = once(child, 'exit') as Promise<[number | null]>;
  const [ready] = (await Promise.race([
    once(child, 'message'),
    exit.then(() => Promise.reject(new Error(`did not start:\n${output()}`))),
  ])) as [{ url: string }];
  return {
    url: ready.url,
    output,
    stop: async (signal = 'SIGTERM') => {
      child.kill(signal);
      return (await exit)[0];
    },
  };
}

/** Starts what must not start; gives its exit code and what it printed. */
async function refusal(env: Record<string, string>): Promise<{ code: number | null; lines: string[] }> {
  const child = spawnGateway({ DATA_DIR: join(folder(), 'data'), ...env });
  const output = collectOutput(child);
  const [code] = (await once(child, 'exit')) as [number | null];
  return { code, lines: output().trim().split('\n') };
}

/** What the embedded database's first start needs; DATABASE_URL unset. */
const EMBEDDED = { DATABASE_URL: '', ADMIN_TOKEN: '', MASTER_KEY: '', DEMO: 'auto' };

describe('the first start, on nothing', () => {
  it('brings its own PostgreSQL, simulator, token and key; the printed curl answers; a second start keeps all of it', async () => {
    const data = join(folder(), 'data with spaces');
    const first = await start({ ...EMBEDDED, DATA_DIR: data });
    const [, token = ''] = /Admin token +(\S+)/.exec(first.output()) ?? [];
    const [, key = ''] = /Demo API key +(\S+)/.exec(first.output()) ?? [];
    const [printed = ''] = /curl -N[\s\S]+?}'/.exec(first.output()) ?? [];
    const answer = execFileSync('bash', ['-c', printed], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    expect(answer).toContain('event: response.completed');
    const admin = new AdminClient(() => first.url, token);
    const row = await eventually(
      'a row for the printed curl',
      async () => ((await admin.get('/requests')).body as { data: object[] }).data[0],
    );
    expect(row).toMatchObject({ outcome: 'ok', key_name: 'demo' });
    for (const name of ['master-key', 'admin-token.sha256', 'demo-key', 'postgres-password']) {
      expect(statSync(join(data, name)).mode & 0o777).toBe(0o600);
    }
    expect(readFileSync(join(data, 'admin-token.sha256'), 'utf8')).not.toContain(token);
    expect(await first.stop()).toBe(0);
    expect(existsSync(join(data, 'pg18', 'postmaster.pid'))).toBe(false);

    const second = await start({ ...EMBEDDED, DATA_DIR: data });
    expect(second.output()).not.toContain('Admin token');
    expect(second.output()).toContain(key);
    expect((await call(second.url, callBody('again'), { secret: key })).status).toBe(200);
    // A kill leaves PostgreSQL running and the lock behind: the next start adopts the one and sees through the other.
    await second.stop('SIGKILL');
    const third = await start({ ...EMBEDDED, DATA_DIR: data });
    expect((await call(third.url, callBody('once more'), { secret: key })).status).toBe(200);
    expect(await third.stop('SIGINT')).toBe(0);
  });

  it('works from a path with spaces', async () => {
    const place = join(folder(), 'a path with spaces');
    mkdirSync(place);
    for (const name of ['dist', 'prisma', 'package.json'])
      cpSync(join(ROOT, name), join(place, name), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(place, 'node_modules'));
    const database = await createDatabase();
    const gateway = await start(
      { DATABASE_URL: database.url, DATA_DIR: join(place, 'data'), DEMO: 'auto' },
      join(place, 'dist/gateway.js'),
    );
    const [, key = ''] = /Demo API key +(\S+)/.exec(gateway.output()) ?? [];
    expect((await call(gateway.url, callBody('hello'), { secret: key })).status).toBe(200);
    await gateway.stop();
    await database.drop();
  });
});

describe('a start that cannot work', () => {
  it.each<[string, Record<string, string>, RegExp]>([
    [
      'a database that does not answer',
      { DATABASE_URL: 'postgresql://u:pass@127.0.0.1:9/x' },
      /^tollgate: PostgreSQL at 127\.0\.0\.1:9\/x: .*ECONNREFUSED.*DATABASE_URL/,
    ],
    [
      'a DATABASE_URL that is none',
      { DATABASE_URL: 'mysql://x' },
      /^tollgate: DATABASE_URL must be a postgresql:\/\/ URL/,
    ],
    ['a PORT that is none', { PORT: 'http' }, /^tollgate: PORT must be a port number/],
    ['an unknown LOG_LEVEL', { LOG_LEVEL: 'loud' }, /^tollgate: LOG_LEVEL must be one of/],
    ['a MASTER_KEY that is too short', { MASTER_KEY: 'c2hvcnQ=' }, /^tollgate: MASTER_KEY must be 32 bytes/],
    ['an ADMIN_TOKEN that is too short', { ADMIN_TOKEN: 'abc' }, /^tollgate: ADMIN_TOKEN must have at least 8/],
    ['an unknown DEMO', { DEMO: 'yes' }, /^tollgate: DEMO must be auto or off/],
    ['a HOST that is not of this machine', { HOST: '203.0.113.1' }, /^tollgate: cannot listen on 203\.0\.113\.1/],
    ['a DATA_DIR that cannot be', { DATA_DIR: '/dev/null/x' }, /^tollgate: DATA_DIR \/dev\/null\/x cannot be written/],
  ])('ends with one line: %s', async (_, env, line) => {
    const { code, lines } = await refusal(env);
    expect(code).toBe(1);
    expect(lines).toEqual([expect.stringMatching(line)]);
    expect(lines[0]).not.toContain('pass@');
  });

  it('ends with one line when the port is taken, and leaves no trace', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const data = join(folder(), 'untouched');
    const { code, lines } = await refusal({ PORT: String(port), DATA_DIR: data });
    server.close();
    expect({ code, lines }).toEqual({
      code: 1,
      lines: [expect.stringContaining(`port ${port} on 127.0.0.1 is taken`)],
    });
    expect(existsSync(data)).toBe(false);
  });

  it('ends with one line when MASTER_KEY is not the one that the database was set up with', async () => {
    const database = await createDatabase();
    const gateway = await start({ DATABASE_URL: database.url, DATA_DIR: join(folder(), 'a') });
    await gateway.stop();
    const { code, lines } = await refusal({
      DATABASE_URL: database.url,
      MASTER_KEY: Buffer.alloc(32, 1).toString('base64'),
    });
    await database.drop();
    expect({ code, lines }).toEqual({ code: 1, lines: [expect.stringContaining('MASTER_KEY is not the key')] });
  });

  it('ends with one line when another gateway lives in DATA_DIR', async () => {
    const database = await createDatabase();
    const env = { DATABASE_URL: database.url, DATA_DIR: join(folder(), 'shared') };
    const gateway = await start(env);
    const { code, lines } = await refusal(env);
    await gateway.stop();
    await database.drop();
    expect({ code, lines }).toEqual({ code: 1, lines: [expect.stringContaining('another Tollgate (process')] });
  });
});

describe('OPENAI_API_KEY at the first start', () => {
  it('becomes the upstream openai, and no simulator is started', async () => {
    const database = await createDatabase();
    const gateway = await start({
      DATABASE_URL: database.url,
      DATA_DIR: join(folder(), 'data'),
      DEMO: 'auto',
      OPENAI_API_KEY: 'sk-from-environment',
      OPENAI_BASE_URL: 'http://127.0.0.1:9/v1',
    });
    const answer = await fetch(`${gateway.url}/admin/v1/upstreams`, {
      headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
    });
    expect(((await answer.json()) as { data: object[] }).data).toMatchObject([
      { name: 'openai', kind: 'openai', base_url: 'http://127.0.0.1:9/v1', state: 'healthy', demo: false },
    ]);
    expect(gateway.output()).not.toContain('simulator');
    await gateway.stop();
    await database.drop();
  });
});

describe('the demo upstream', () => {
  it('steps aside as soon as there is another', async () => {
    const gateway = await TestGateway.start({ env: { DEMO: 'auto' } });
    const { secret, upstream } = await gateway.admin.issueKey();
    expect(upstream).toBeNull();
    expect((await call(gateway.url, callBody('hello'), { secret })).status).toBe(200);
    await gateway.admin.create('/upstreams', { name: 'real', base_url: 'http://127.0.0.1:9' });
    expect((await call(gateway.url, callBody('hello'), { secret })).status).toBe(502);
    await gateway.stop();
  });
});

describe('several replicas', () => {
  it('start together on one empty database, and each knows within 2 s what another changed', async () => {
    const database = await createDatabase();
    const [one, two] = await Promise.all([TestGateway.start({ database }), TestGateway.start({ database })]);
    const { key, secret } = await one.admin.issueKey();
    const statusAt = async (gateway: TestGateway) => (await call(gateway.url, callBody('hi'), { secret })).status;
    const within = async (status: number) => {
      const since = performance.now();
      while ((await statusAt(two)) !== status) if (performance.now() - since > 2000) return false;
      return true;
    };
    expect(await within(503)).toBe(true); // known, but no upstream
    await one.admin.post(`/keys/${key.id}/revoke`);
    expect(await statusAt(one)).toBe(401);
    expect(await within(401)).toBe(true);
    await one.admin.delete(`/keys/${key.id}`);
    await one.stop();
    await two.stop();
    await database.drop();
  });
});
