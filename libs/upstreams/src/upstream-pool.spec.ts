import type { LookupAddress } from 'node:dns';
import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect, createServer, type Server, Socket } from 'node:net';
import type { Pool } from 'undici';
import { AddressPolicy } from './address-policy.js';
import { makeUpstreamPool, type UpstreamPool, type UpstreamPoolOptions } from './upstream-pool.js';

const LOOPBACK = '127.0.0.1/32';
const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (let next = undo.pop(); next; next = undo.pop()) await next();
});

/** A server on loopback, and the sockets that it has got. */
async function listen<S extends Server>(server: S): Promise<{ port: number; sockets: Socket[] }> {
  const sockets: Socket[] = [];
  server.on('connection', (socket: Socket) => sockets.push(socket.on('error', () => undefined)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  undo.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((closed) => server.close(closed));
  });
  return { port: (server.address() as AddressInfo).port, sockets };
}

/** Each name has the addresses of one list after the other, the last for ever. */
function policyWith(names: Record<string, string[][]>, asked: string[] = []): AddressPolicy {
  const lookup = (host: string, _: object, callback: (error: Error | null, addresses: LookupAddress[]) => void) => {
    asked.push(host);
    const answers = names[host] ?? [];
    const addresses = answers.length > 1 ? answers.shift() : answers[0];
    if (!addresses) return callback(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }), []);
    const found = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
    process.nextTick(callback, null, found); // as any resolver: never at once
  };
  return new AddressPolicy([LOOPBACK], lookup as never);
}

function pool(options: Partial<UpstreamPoolOptions> & { origin: string }): UpstreamPool {
  const made = makeUpstreamPool({
    policy: policyWith({}),
    isDemo: false,
    connectTimeoutMs: 2_000,
    headersTimeoutMs: null,
    idleTimeoutMs: null,
    httpProxy: null,
    ...options,
  });
  undo.push(() => made.destroy());
  return made;
}

async function get(from: Pool): Promise<{ status: number; text: string }> {
  const { statusCode, body } = await from.request({ method: 'GET', path: '/' });
  return { status: statusCode, text: await body.text() };
}

const DENIED = { code: 'ERR_ADDRESS_DENIED' };

describe('an upstream’s connections', () => {
  it('tell once how long it took to make a new one, part by part', async () => {
    const server = createHttpServer((_, response) => response.end('ok'));
    const { port } = await listen(server);
    const policy = policyWith({ 'model.test': [['127.0.0.1']] });
    const byName = pool({ origin: `http://model.test:${port}`, policy });
    await get(byName);
    const made = byName.takeNewest();
    expect(made).toEqual({ dnsMs: expect.any(Number), tcpMs: expect.any(Number), tlsMs: null });
    for (const ms of [made?.dnsMs, made?.tcpMs]) expect(ms).toBeGreaterThanOrEqual(0);
    expect(byName.takeNewest()).toBeNull();
    const byAddress = pool({ origin: `http://127.0.0.1:${port}`, policy });
    await get(byAddress);
    expect(byAddress.takeNewest()).toEqual({ dnsMs: null, tcpMs: expect.any(Number), tlsMs: null });
  });

  it('are not made to a denied address, whether it is in the URL or behind a name', async () => {
    const { port, sockets } = await listen(createServer());
    const nothingOpened = new AddressPolicy([]);
    for (const host of ['127.0.0.1', '[::1]', '[::ffff:127.0.0.1]', 'localhost', '169.254.169.254']) {
      await expect(get(pool({ origin: `http://${host}:${port}`, policy: nothingOpened }))).rejects.toMatchObject(
        DENIED,
      );
      await expect(get(pool({ origin: `https://${host}:${port}`, policy: nothingOpened }))).rejects.toMatchObject(
        DENIED,
      );
    }
    expect(sockets).toHaveLength(0);
  });

  it('go to the address that was checked: a name is resolved once, and again for the next connection', async () => {
    const server = createHttpServer((request, response) =>
      response.writeHead(200, { connection: 'close' }).end(request.headers.host),
    );
    const { port, sockets } = await listen(server);
    const asked: string[] = [];
    const policy = policyWith({ 'model.test': [['127.0.0.1'], ['::1'], ['127.0.0.1', '10.0.0.1']] }, asked);
    const rebound = pool({ origin: `http://model.test:${port}`, policy });
    expect(await get(rebound)).toEqual({ status: 200, text: `model.test:${port}` });
    expect(asked).toEqual(['model.test']);
    await expect(get(rebound)).rejects.toMatchObject(DENIED);
    await expect(get(rebound)).rejects.toMatchObject(DENIED);
    expect(sockets).toHaveLength(1);
  });

  it('tell the server its name when they use TLS', async () => {
    const { port, sockets } = await listen(createServer());
    const policy = policyWith({ 'model.test': [['127.0.0.1']] });
    const answer = get(pool({ origin: `https://model.test:${port}`, policy }));
    answer.catch(() => undefined);
    expect((await firstBytes(sockets)).includes('model.test')).toBe(true);
    sockets[0]?.destroy();
    await expect(answer).rejects.toMatchObject({ code: expect.any(String) });
  });

  it('reach the simulator on loopback when nothing is listed', async () => {
    const { port } = await listen(createHttpServer((_, response) => response.end('simulated')));
    const simulated = pool({ origin: `http://127.0.0.1:${port}`, policy: new AddressPolicy([]), isDemo: true });
    expect(await get(simulated)).toMatchObject({ text: 'simulated' });
  });

  it('end with an answer that nobody asked for, which is never taken for the next one', async () => {
    const answer = (text: string) => `HTTP/1.1 200 OK\r\ncontent-length: ${text.length}\r\n\r\n${text}`;
    let answers = 0;
    const { port, sockets } = await listen(
      createServer((socket) => socket.on('data', () => socket.write(answer(`own ${++answers}`)))),
    );
    const poisoned = pool({ origin: `http://127.0.0.1:${port}` });
    expect(await get(poisoned)).toMatchObject({ text: 'own 1' });
    const [first] = sockets;
    const closed = once(first as Socket, 'close');
    first?.write(answer('poison'));
    await closed;
    expect(await get(poisoned)).toMatchObject({ text: 'own 2' });
    expect(sockets).toHaveLength(2);
  });

  it('ask after 30 s of silence whether the other side is still there', async () => {
    const { port } = await listen(createHttpServer((_, response) => response.end()));
    const keepAlive = jest.spyOn(Socket.prototype, 'setKeepAlive');
    await get(pool({ origin: `http://127.0.0.1:${port}` }));
    expect(keepAlive.mock.calls).toContainEqual([true, 30_000]);
    keepAlive.mockRestore();
  });

  it('do not follow a redirect', async () => {
    const elsewhere = await listen(createServer());
    const location = `http://127.0.0.1:${elsewhere.port}/`;
    const { port } = await listen(createHttpServer((_, response) => response.writeHead(302, { location }).end()));
    expect(await get(pool({ origin: `http://127.0.0.1:${port}` }))).toMatchObject({ status: 302 });
    expect(elsewhere.sockets).toHaveLength(0);
  });
});

describe('an upstream behind an HTTP proxy', () => {
  /** Opens tunnels to one port of loopback, whatever the name is. */
  async function startProxy(targetPort: number, status = 200): Promise<{ url: string; asked: IncomingMessage[] }> {
    const asked: IncomingMessage[] = [];
    const server = createHttpServer().on('connect', (request, socket) => {
      asked.push(request);
      socket.on('error', () => undefined);
      if (status !== 200) return socket.end(`HTTP/1.1 ${status} No\r\n\r\n`);
      const target = connect(targetPort, '127.0.0.1', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'));
      target.on('error', () => undefined).pipe(socket);
      socket.pipe(target).on('close', () => socket.destroy());
      undo.push(() => target.destroy());
    });
    return { url: `http://ann:s%40crt@127.0.0.1:${(await listen(server)).port}`, asked };
  }

  it('is reached through a tunnel, to which the proxy’s credentials are shown', async () => {
    const { port } = await listen(
      createHttpServer((request, response) => response.end(JSON.stringify(request.headers))),
    );
    const proxy = await startProxy(port);
    const policy = policyWith({ 'model.test': [['127.0.0.1']] });
    const tunnelled = pool({ origin: `http://model.test:${port}`, policy, httpProxy: proxy.url });
    for (let call = 0; call < 5; call++) expect((await get(tunnelled)).text).toContain(`model.test:${port}`);
    expect((await get(tunnelled)).text).not.toContain('proxy-authorization');
    expect(new Set(proxy.asked.map(({ url }) => url))).toEqual(new Set([`model.test:${port}`]));
    // undici has a second connection made when it is asked again at once.
    expect(proxy.asked.length).toBeLessThanOrEqual(2);
    expect(proxy.asked[0]?.headers['proxy-authorization']).toBe(`Basic ${btoa('ann:s@crt')}`);
    await tunnelled.close();
  });

  it('is reached by TLS inside the tunnel, by a name that only the proxy knows', async () => {
    const { port, sockets } = await listen(createServer());
    const proxy = await startProxy(port);
    const answer = get(pool({ origin: 'https://model.test', httpProxy: proxy.url }));
    answer.catch(() => undefined);
    expect((await firstBytes(sockets)).includes('model.test')).toBe(true);
    expect(proxy.asked.map(({ url }) => url)).toEqual(['model.test:443']);
    sockets[0]?.destroy();
    await expect(answer).rejects.toMatchObject({ code: expect.any(String) });
  });

  it('is denied by its own address, or by that of the proxy', async () => {
    const { port, sockets } = await listen(createServer());
    const proxy = await startProxy(port);
    const policy = policyWith({ 'inner.test': [['10.0.0.1']] });
    for (const origin of ['https://10.0.0.1', 'https://inner.test', 'http://unknown.test', 'https://metadata']) {
      await expect(get(pool({ origin, policy, httpProxy: proxy.url }))).rejects.toMatchObject(DENIED);
    }
    for (const httpProxy of [
      'http://10.0.0.1:3128',
      'http://[::1]:3128',
      'http://127.0.0.1:25',
      'http://inner.test:3128',
    ]) {
      const refused = get(pool({ origin: 'https://model.test', policy, httpProxy }));
      await expect(refused).rejects.toMatchObject(DENIED);
    }
    expect(proxy.asked).toHaveLength(0);
    expect(sockets).toHaveLength(0);
  });

  it('is unreachable when the proxy refuses', async () => {
    const proxy = await startProxy(9, 407);
    await expect(get(pool({ origin: 'https://model.test', httpProxy: proxy.url }))).rejects.toMatchObject({
      code: 'ERR_PROXY_REFUSED',
      message: 'the proxy answered 407',
    });
  });
});

async function firstBytes(sockets: readonly Socket[]): Promise<Buffer> {
  while (!sockets[0]) await new Promise((resolve) => setImmediate(resolve));
  const [bytes] = (await once(sockets[0], 'data')) as [Buffer];
  return bytes;
}
