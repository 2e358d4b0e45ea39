import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Simulator } from '../../apps/simulator/src/simulator.js';
import { toPublicId, type Upstream } from '../../libs/contract/src/index.js';
import { newId } from '../../libs/runtime/src/index.js';
import { createDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { collectOutput, spawnGateway, temporaryFolder, TestGateway } from '../support/gateway.js';
import { call, callBody } from '../support/responses-client.js';

/** `closed`: a URL that leads where nothing may go. `malformed`: none that is stored. PORT is that of the listener. */
const CORPUS: [name: string, verdict: 'closed' | 'malformed', url: string][] = [
  ['loopback', 'closed', 'http://127.0.0.1:PORT'],
  ['loopback by https', 'closed', 'https://127.0.0.1:PORT'],
  ['loopback at port 80', 'closed', 'http://127.0.0.1/v1'],
  ['loopback at port 443', 'closed', 'https://127.0.0.1/v1'],
  ['another loopback address', 'closed', 'http://127.8.9.10:PORT'],
  ['loopback in decimal', 'closed', 'http://2130706433:PORT'],
  ['loopback in hex', 'closed', 'http://0x7f000001:PORT'],
  ['loopback in hex bytes', 'closed', 'http://0x7f.0x0.0x0.0x1:PORT'],
  ['loopback in octal', 'closed', 'http://017700000001:PORT'],
  ['loopback in octal bytes', 'closed', 'http://0177.0.0.01:PORT'],
  ['loopback in two parts', 'closed', 'http://127.1:PORT'],
  ['loopback in three parts', 'closed', 'http://127.0.1:PORT'],
  ['loopback in mixed notations', 'closed', 'http://0x7f.1:PORT'],
  ['loopback with a trailing dot', 'closed', 'http://127.0.0.1.:PORT'],
  ['loopback in full-width digits', 'closed', 'http://１２７.０.０.１:PORT'],
  ['loopback in circled digits', 'closed', 'http://①②⑦.⓪.⓪.①:PORT'],
  ['loopback with ideographic dots', 'closed', 'http://127。0。0。1:PORT'],
  ['loopback, percent-encoded', 'closed', 'http://%31%32%37.0.0.1:PORT'],
  ['loopback with an encoded dot', 'closed', 'http://127%2e0.0.1:PORT'],
  ['loopback behind one slash', 'closed', 'http:/127.0.0.1:PORT'],
  ['loopback behind no slash', 'closed', 'http:127.0.0.1:PORT'],
  ['loopback behind five slashes', 'closed', 'http://///127.0.0.1:PORT'],
  ['loopback behind an empty user', 'closed', 'http://@127.0.0.1:PORT'],
  ['the zero address', 'closed', 'http://0.0.0.0:PORT'],
  ['zero', 'closed', 'http://0:PORT'],
  ['the this-network range', 'closed', 'http://0.1.2.3:PORT'],
  ['localhost', 'closed', 'http://localhost:PORT'],
  ['localhost in capitals with a dot', 'closed', 'http://LOCALHOST.:PORT'],
  ['IPv6 loopback', 'closed', 'http://[::1]:PORT'],
  ['IPv6 loopback in full', 'closed', 'https://[0:0:0:0:0:0:0:1]:PORT'],
  ['the IPv6 zero address', 'closed', 'http://[::]:PORT'],
  ['mapped loopback', 'closed', 'http://[::ffff:127.0.0.1]:PORT'],
  ['mapped loopback in hex', 'closed', 'http://[::ffff:7f00:1]:PORT'],
  ['mapped loopback in full', 'closed', 'http://[0:0:0:0:0:FFFF:7F00:0001]:PORT'],
  ['compatible loopback', 'closed', 'http://[::127.0.0.1]:PORT'],
  ['translated loopback', 'closed', 'http://[::ffff:0:127.0.0.1]:PORT'],
  ['NAT64 of loopback', 'closed', 'https://[64:ff9b::127.0.0.1]:PORT'],
  ['local NAT64 of loopback', 'closed', 'https://[64:ff9b:1::7f00:1]:PORT'],
  ['6to4 of loopback', 'closed', 'https://[2002:7f00:1::1]:PORT'],
  ['Teredo', 'closed', 'https://[2001:0:7f00:1::80ff:fffe]:PORT'],
  ['a unique local address', 'closed', 'http://[fd12::1]:PORT'],
  ['an IPv6 link-local address', 'closed', 'http://[fe80::1]:PORT'],
  ['an IPv6 multicast address', 'closed', 'http://[ff02::1]:PORT'],
  ['IPv6 for documentation', 'closed', 'https://[2001:db8::1]:PORT'],
  ['10/8', 'closed', 'http://10.0.0.1:PORT'],
  ['172.16/12', 'closed', 'http://172.31.255.254:PORT'],
  ['192.168/16', 'closed', 'http://192.168.0.1:PORT'],
  ['the benchmark range', 'closed', 'https://198.18.0.1:PORT'],
  ['the IETF range', 'closed', 'https://192.0.0.8:PORT'],
  ['a multicast address', 'closed', 'http://224.0.0.1:PORT'],
  ['the broadcast address', 'closed', 'http://255.255.255.255:PORT'],
  ['link-local, though listed', 'closed', 'http://169.254.1.1:PORT'],
  ['AWS metadata, though listed', 'closed', 'http://169.254.169.254/latest'],
  ['AWS metadata in decimal', 'closed', 'http://2852039166/'],
  ['AWS metadata, mapped', 'closed', 'http://[::ffff:a9fe:a9fe]/'],
  ['AWS metadata by NAT64', 'closed', 'https://[64:ff9b::a9fe:a9fe]/'],
  ['AWS metadata by IPv6, though listed', 'closed', 'http://[fd00:ec2::254]/'],
  ['ECS credentials, though listed', 'closed', 'http://169.254.170.2/v2'],
  ['Alibaba metadata, though listed', 'closed', 'http://100.100.100.200/'],
  ['Azure’s host', 'closed', 'https://168.63.129.16/'],
  ['Google’s metadata by name', 'closed', 'http://metadata.google.internal/computeMetadata'],
  ['Google’s metadata by name with a dot', 'closed', 'https://Metadata.Google.Internal./'],
  ['a listed network at the port of Redis', 'closed', 'http://100.64.0.1:6379'],
  ['a public address by http', 'closed', 'http://8.8.8.8:PORT'],
  ['a public address at the port of SSH', 'closed', 'https://8.8.8.8:22'],
  ['a public address at the port of PostgreSQL', 'closed', 'https://8.8.8.8:5432'],
  ['a public address at a low port', 'closed', 'https://8.8.8.8:81'],
  ['a name for loopback', 'closed', 'https://loopback.test:PORT'],
  ['a name that holds its address', 'closed', 'https://127.0.0.1.nip.test:PORT'],
  ['a name for IPv6 loopback', 'closed', 'https://loopback6.test:PORT'],
  ['a name for a mapped address', 'closed', 'https://mapped.test:PORT'],
  ['a name for a link-local address with a zone', 'closed', 'https://zone.test:PORT'],
  ['a name for metadata', 'closed', 'https://metadata.test:PORT'],
  ['a name with one closed address among open ones', 'closed', 'https://mixed.test:PORT'],
  ['a public name by http', 'closed', 'http://public.test:PORT'],
  ['a user and a host', 'malformed', 'https://api.openai.com@127.0.0.1:PORT'],
  ['a user with a password', 'malformed', 'http://user:secret@127.0.0.1:PORT'],
  ['a backslash before @', 'malformed', 'http://127.0.0.1:PORT\\@api.openai.com'],
  ['backslashes for slashes', 'malformed', 'http:\\\\127.0.0.1:PORT'],
  ['a tab in the host', 'malformed', 'http://127.0.\t0.1:PORT'],
  ['a line break in the host', 'malformed', 'http://127.0.0\n.1:PORT'],
  ['CRLF and a header', 'malformed', 'http://127.0.0.1:PORT/\r\nx-injected: 1'],
  ['a space before the scheme', 'malformed', ' http://127.0.0.1:PORT'],
  ['a NUL in the host', 'malformed', 'http://127.0.0.1%00.example.com:PORT'],
  ['a zone id', 'malformed', 'http://[fe80::1%25lo]:PORT'],
  ['Arabic digits', 'malformed', 'http://١٢٧.0.0.1:PORT'],
  ['a number too large for an address', 'malformed', 'http://4294967297:PORT'],
  ['a fragment', 'malformed', 'http://127.0.0.1:PORT/#@api.openai.com'],
  ['a query', 'malformed', 'http://127.0.0.1:PORT/?x=1'],
  ['another scheme', 'malformed', 'gopher://127.0.0.1:PORT/_x'],
  ['a file', 'malformed', 'file:///etc/passwd'],
  ['no scheme', 'malformed', '//127.0.0.1:PORT'],
];

const NAMES = {
  'loopback.test': [['127.0.0.1']],
  '127.0.0.1.nip.test': [['127.0.0.1']],
  'loopback6.test': [['::1']],
  'mapped.test': [['::ffff:127.0.0.1']],
  'zone.test': [['fe80::1%lo']],
  'metadata.test': [['169.254.169.254']],
  'mixed.test': [['8.8.8.8', '127.0.0.1']],
  'public.test': [['8.8.8.8', '2606:4700::1111']],
  'rebinding.test': [['8.8.8.8'], ['127.0.0.1']],
};

/** What a gateway is told that may use some networks, but not loopback; some of these are never open, listed or not. */
const LISTED = '10.11.12.0/24, 169.254.0.0/16, 100.64.0.0/10, fe80::/10, fd00:ec2::/32';

function withNames(names: Record<string, string[][]>): Record<string, string> {
  const stub = pathToFileURL(join(__dirname, '../support/name-stub.mjs')).href;
  return { NODE_OPTIONS: `--import=${stub}`, TEST_NAMES: JSON.stringify(names) };
}

describe('a gateway that may not use loopback', () => {
  let gateway: TestGateway;
  let secret: string;
  let port: number;
  const listeners: Server[] = [];
  const connections: string[] = [];
  const cases = [...CORPUS, ...ownAddresses()].map(([name, verdict, url]) => {
    return { name, model: name.replaceAll(' ', '-'), verdict, url, uuid: newId() };
  });
  let serial = 0;

  /** On all addresses of this machine; 0 where the port is taken or not for everybody. */
  async function listen(onPort: number): Promise<number> {
    const server = createServer((socket) => {
      connections.push(`${socket.localAddress}:${socket.localPort}`);
      socket.destroy();
    });
    const isListening = await new Promise<boolean>((resolve) => {
      server.once('listening', () => resolve(true)).once('error', () => resolve(false));
      server.listen(onPort);
    });
    if (!isListening) return 0;
    listeners.push(server);
    return (server.address() as AddressInfo).port;
  }

  beforeAll(async () => {
    port = await listen(0);
    for (const wellKnown of [80, 443, 22, 6379]) await listen(wellKnown);
    gateway = await TestGateway.start({ env: { UPSTREAM_PRIVATE_CIDRS: LISTED, ...withNames(NAMES) } });
    await smuggle(cases.map(({ uuid, model, url }) => ({ uuid, model, url: withPort(url) })));
    // Whoever writes has the newest configuration when the answer comes.
    ({ secret } = await gateway.admin.issueKey());
  });
  afterAll(async () => {
    await gateway.stop();
    for (const listener of listeners) listener.close();
  });

  const withPort = (url: string) => url.replaceAll('PORT', String(port));
  const save = (url: string) =>
    gateway.admin.post('/upstreams', { name: `saved-${++serial}`, base_url: withPort(url) });

  /** Puts upstreams into the database past the admin API, and for each a model of the same name that only it serves. */
  async function smuggle(upstreams: { uuid: string; model: string; url: string }[]): Promise<void> {
    await gateway.database.query(
      `WITH rows AS (SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[]) AS row (id, name, url)),
            made AS (INSERT INTO upstreams (id, name, kind, base_url) SELECT id, name, 'openai', url FROM rows),
            models AS (INSERT INTO models (id, name) SELECT id, name FROM rows)
       INSERT INTO model_upstreams (model_id, upstream_id) SELECT id, id FROM rows`,
      [upstreams.map(({ uuid }) => uuid), upstreams.map(({ model }) => model), upstreams.map(({ url }) => url)],
    );
  }

  const ask = (model: string) => call(gateway.url, callBody('hello', { model }), { secret });

  describe.each(cases)('$name', ({ model, verdict, url, uuid }) => {
    it('is refused when it is saved, with a reason', async () => {
      const answer = await save(url);
      expect(answer).toMatchObject({
        status: 422,
        body: {
          code: 'validation_failed',
          errors: [
            {
              path: 'base_url',
              message: expect.stringMatching(verdict === 'closed' ? /^(leads to|names port) / : /^must be/),
            },
          ],
        },
      });
      expect(connections).toEqual([]);
    });

    it('is reached neither by a test nor by a call, however it got into the database', async () => {
      const probe = await gateway.admin.post(`/upstreams/${toPublicId('upstream', uuid)}/test`);
      expect(probe).toMatchObject({
        status: 200,
        body: {
          ok: false,
          status: null,
          problem: expect.stringMatching(verdict === 'closed' ? /^the host \S+ (leads to|names port) / : /not valid/),
        },
      });
      const answer = await ask(model);
      // What is no URL is left out when upstreams are loaded.
      expect(answer.status).toBe(verdict === 'closed' ? 502 : 503);
      expect(answer.error?.message).not.toMatch(/127\.0|PRIVATE_CIDRS/);
      expect(connections).toEqual([]);
    });
  });

  it('says in the log why each was not reached', async () => {
    const closed = cases.filter(({ verdict }) => verdict === 'closed').length;
    const rows = await eventually(`a row for each of ${closed} calls`, async () => {
      const found = await gateway.database.query<{ error_message: string; attempts: number }>(
        'SELECT error_message, attempts FROM request_log WHERE status = 502',
      );
      return found.length >= closed ? found : undefined;
    });
    for (const row of rows) {
      expect(row).toEqual({ error_message: expect.stringMatching(/^ERR_ADDRESS_DENIED: the host /), attempts: 1 });
    }
  });

  it('does not follow a name that is public when it is saved and loopback when it is used', async () => {
    const answer = await save('https://rebinding.test:PORT');
    expect(answer.status).toBe(201);
    const { id } = answer.body as Upstream;
    await gateway.admin.create('/models', { name: 'rebinding', upstreams: [{ upstream_id: id }] });
    const probe = await gateway.admin.post(`/upstreams/${id}/test`);
    expect(probe.body).toMatchObject({ ok: false, problem: expect.stringContaining('127.0.0.1') });
    expect((await ask('rebinding')).status).toBe(502);
    expect(connections).toEqual([]);
  });

  it.each([
    ['a public address by https', 'https://8.8.8.8'],
    ['a public address at a high port', 'https://8.8.8.8:8443/v1'],
    ['a public IPv6 address', 'https://[2606:4700::1111]'],
    ['a public name', 'https://public.test'],
    ['a name that cannot be resolved now', 'https://upstream.invalid'],
    ['a listed address by http', 'http://10.11.12.13:8000'],
    ['a listed address, mapped', 'http://[::ffff:10.11.12.13]:8000'],
    ['a listed address of a carrier', 'http://100.64.0.1'],
  ])('saves %s', async (_, url) => {
    expect((await save(url)).status).toBe(201);
  });

  it('refuses a change to a closed address, and keeps what was', async () => {
    const { id } = (await save('https://8.8.8.8')).body as Upstream;
    const answer = await gateway.admin.patch(`/upstreams/${id}`, { base_url: withPort('http://127.0.0.1:PORT') });
    expect(answer).toMatchObject({ status: 422, body: { errors: [{ path: 'base_url' }] } });
    expect((await gateway.admin.get(`/upstreams/${id}`)).body).toMatchObject({ base_url: 'https://8.8.8.8/v1' });
  });

  it('has not made one connection to any address of this machine', async () => {
    expect(connections).toEqual([]);
    // A listener that hears nothing would prove nothing.
    connect(port, '127.0.0.1').on('error', () => undefined);
    await eventually('a connection', () => connections[0]);
  });
});

describe('a gateway on loopback', () => {
  let gateway: TestGateway;
  let simulator: Simulator;
  let secret: string;

  beforeAll(async () => {
    simulator = await Simulator.start();
    gateway = await TestGateway.start({ env: withNames({ 'model.test': [['127.0.0.1']] }) });
    ({ secret } = await gateway.admin.issueKey());
  });
  afterAll(async () => {
    await gateway.stop();
    await simulator.close();
  });

  async function serve(name: string, baseUrl: string): Promise<string> {
    const { id } = await gateway.admin.create<Upstream>('/upstreams', { name, base_url: baseUrl });
    await gateway.admin.create('/models', { name, upstreams: [{ upstream_id: id }] });
    return id;
  }

  it.each([
    'http://127.0.0.1:PORT',
    'http://localhost:PORT/v1',
    'http://2130706433:PORT',
    'http://0x7f.1:PORT',
    'http://127.1:PORT/v1/',
    'http://[::ffff:127.0.0.1]:PORT',
    'http://１２７.０.０.１:PORT',
    'http://model.test:PORT',
  ])('uses %s', async (url) => {
    const name = url.replace(/[^\w.]+/g, '-');
    const id = await serve(name, url.replace('PORT', new URL(simulator.url).port));
    expect((await gateway.admin.post(`/upstreams/${id}/test`)).body).toMatchObject({ ok: true, status: 200 });
    expect((await call(gateway.url, callBody('hello', { model: name }), { secret })).status).toBe(200);
  });

  it.each(['http://10.0.0.1', 'http://169.254.169.254', 'http://0.0.0.0'])('refuses %s all the same', async (url) => {
    const answer = await gateway.admin.post('/upstreams', { name: 'other', base_url: url });
    expect(answer).toMatchObject({ status: 422, body: { errors: [{ path: 'base_url' }] } });
  });

  describe('with an upstream that', () => {
    let upstream: HttpServer;
    let status: number;
    let model: string;
    let id: string;
    const paths: (string | undefined)[] = [];

    beforeAll(async () => {
      upstream = createHttpServer((request, response) => {
        paths.push(request.url);
        response.writeHead(status, { location: '/elsewhere', 'content-type': 'application/json' });
        response.end('{"secret":"body"}');
      });
      upstream.listen(0, '127.0.0.1');
      await once(upstream, 'listening');
      model = 'redirected';
      id = await serve(model, `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`);
    });
    afterAll(() => {
      upstream.closeAllConnections();
      upstream.close();
    });

    it.each([300, 301, 302, 303, 307, 308])('answers %i: it is not followed, by calls and by tests', async (code) => {
      status = code;
      paths.length = 0;
      const answer = await call(gateway.url, callBody('hello', { model }), { secret });
      expect(answer.status).toBe(502);
      expect(answer.headers).not.toHaveProperty('location');
      expect((await gateway.admin.post(`/upstreams/${id}/test`)).body).toMatchObject({
        ok: false,
        status: code,
        problem: `the upstream answered ${code}: redirects are not followed`,
      });
      expect(paths).toEqual(['/v1/responses', '/v1/models']);
    });

    it.each([200, 401, 404, 500])('answers %i to a test: its body is not shown', async (code) => {
      status = code;
      const { body } = await gateway.admin.post(`/upstreams/${id}/test`);
      expect(Object.keys(body as object).toSorted()).toEqual(['duration_ms', 'ok', 'problem', 'status']);
      expect(JSON.stringify(body)).not.toContain('secret');
    });
  });
});

describe('a gateway that the world can reach', () => {
  it('uses its simulator on loopback, and nothing else there', async () => {
    const gateway = await TestGateway.start({ env: { HOST: '0.0.0.0', DEMO: 'auto' } });
    const { secret } = await gateway.admin.issueKey();
    expect((await call(gateway.url, callBody('hello'), { secret })).status).toBe(200);
    const { data } = (await gateway.admin.get('/upstreams')).body as { data: Upstream[] };
    const [demo] = data;
    expect(demo).toMatchObject({ demo: true, state: 'healthy' });
    expect((await gateway.admin.post(`/upstreams/${demo?.id}/test`)).body).toMatchObject({ ok: true });
    const closed = { status: 422, body: { errors: [{ path: 'base_url' }] } };
    const baseUrl = 'http://127.0.0.1:9';
    expect(await gateway.admin.patch(`/upstreams/${demo?.id}`, { base_url: baseUrl })).toMatchObject(closed);
    expect(await gateway.admin.post('/upstreams', { name: 'other', base_url: baseUrl })).toMatchObject(closed);
    // The second signal spares the wait for load balancers.
    gateway.process.kill('SIGTERM');
    await gateway.stop('SIGINT');
  });
});

describe('OPENAI_BASE_URL at the first start', () => {
  it.each([
    ['http://169.254.169.254', /^tollgate: OPENAI_BASE_URL leads to 169\.254\.169\.254/],
    ['http://10.0.0.1:8000', /UPSTREAM_PRIVATE_CIDRS$/],
    ['https://user@api.openai.com', /^tollgate: OPENAI_BASE_URL must be/],
  ])('stops the start with one line when it is %s', async (url, line) => {
    const database = await createDatabase();
    const dataDir = temporaryFolder();
    const env = { DATABASE_URL: database.url, DATA_DIR: dataDir, OPENAI_API_KEY: 'sk-test', OPENAI_BASE_URL: url };
    const child = spawnGateway(env);
    const output = collectOutput(child);
    const [code] = (await once(child, 'close')) as [number];
    await database.drop();
    rmSync(dataDir, { recursive: true });
    expect({ code, lines: output().trim().split('\n') }).toEqual({ code: 1, lines: [expect.stringMatching(line)] });
  });
});

/** The addresses by which other machines reach this one. */
function ownAddresses(): typeof CORPUS {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal }) => !internal)
    .map(({ address, family }) => [
      `this machine’s address ${address}`,
      'closed',
      `http://${family === 'IPv6' ? `[${address}]` : address}:PORT`,
    ]);
}
