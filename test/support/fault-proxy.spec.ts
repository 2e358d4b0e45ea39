import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { eventually } from './eventually.js';
import { FaultProxy } from './fault-proxy.js';

let server: Server;
let proxy: FaultProxy;
/** The server's sides of the connections, newest last. */
let accepted: Socket[];

beforeEach(async () => {
  accepted = [];
  server = createServer((socket) => {
    accepted.push(socket);
    socket.on('error', () => undefined).on('data', (bytes) => socket.write(bytes));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  proxy = await FaultProxy.start((server.address() as AddressInfo).port);
});
afterEach(async () => {
  await proxy.close();
  for (const socket of accepted) socket.destroy();
  server.close();
});

async function dial(): Promise<Socket> {
  const socket = connect(proxy.port, '127.0.0.1');
  await once(socket, 'connect');
  socket.on('error', () => undefined);
  return socket;
}

/** What a client has read until its connection ended, and whether it ended by a reset. */
async function readToEnd(socket: Socket): Promise<{ text: string; wasReset: boolean }> {
  let text = '';
  let wasReset = false;
  socket.on('data', (bytes) => (text += bytes.toString()));
  socket.on('error', (error: NodeJS.ErrnoException) => (wasReset = error.code === 'ECONNRESET'));
  await new Promise((resolve) => socket.once('close', resolve));
  return { text, wasReset };
}

const said = (socket: Socket, text: string) => {
  let heard = '';
  socket.on('data', (bytes) => (heard += bytes.toString()));
  return eventually(`'${text}'`, () => (heard === text ? heard : undefined));
};

describe('the fault proxy', () => {
  it('passes bytes on, counts them, and says when each side was closed', async () => {
    const client = await dial();
    client.write('hello');
    await said(client, 'hello');
    const [connection] = proxy.connections;
    expect(connection?.bytes).toEqual({ toUpstream: 5, toClient: 5 });
    expect(connection?.clientClosedAtMs).toBeNull();
    client.end();
    await connection?.clientClosed;
    await connection?.upstreamClosed;
    expect(connection?.upstreamClosedAtMs).toBeGreaterThan(0);
  });

  it('slices, delays and slows down', async () => {
    proxy.plan = { sliceBytes: 1, latencyMs: 1, bytesPerSecond: 1000 };
    const startedAtMs = performance.now();
    const client = await dial();
    let reads = 0;
    client.on('data', () => reads++);
    client.write('0123456789');
    await said(client, '0123456789');
    expect(reads).toBeGreaterThan(5);
    expect(performance.now() - startedAtMs).toBeGreaterThan(15);
  });

  it('resets both sides after so many bytes to the client', async () => {
    proxy.plan = { resetAfterBytes: { toClient: 3 } };
    const client = await dial();
    client.write('hello');
    expect(await readToEnd(client)).toEqual({ text: 'hel', wasReset: true });
    await proxy.connections[0]?.upstreamClosed;
  });

  it('resets a connection before its first byte has reached the upstream', async () => {
    proxy.plan = { resetAfterBytes: { toUpstream: 0 } };
    const client = await dial();
    client.write('hello');
    expect(await readToEnd(client)).toEqual({ text: '', wasReset: true });
    expect(proxy.connections[0]?.bytes.toUpstream).toBe(0);
  });

  it('leaves a connection half-open: bytes and ends vanish', async () => {
    const client = await dial();
    client.write('a');
    await said(client, 'a');
    proxy.plan = { instead: 'swallow' };
    client.end('b');
    await once(client, 'finish');
    accepted[0]?.write('c');
    const other = await dial();
    other.write('d');
    await eventually('the bytes at the proxy', () => (proxy.connections[1]?.client.bytesRead === 1 ? true : undefined));
    expect(proxy.connections[0]?.bytes).toEqual({ toUpstream: 1, toClient: 1 });
    expect(proxy.connections[0]?.upstreamClosedAtMs).toBeNull();
  });

  it('stops reading until it is told to go on', async () => {
    proxy.plan = { instead: 'hold' };
    const client = await dial();
    const many = Buffer.alloc(20_000_000, 'x');
    client.write(many);
    await eventually('a full window', () => (client.writableNeedDrain ? true : undefined));
    expect(proxy.connections[0]?.bytes.toUpstream).toBe(0);
    proxy.plan = {};
    let heard = 0;
    client.on('data', (bytes) => (heard += bytes.length));
    await eventually('everything', () => (heard === many.length ? true : undefined));
  });

  it('refuses connections, and listens again on the same port', async () => {
    const { port } = proxy;
    const before = await dial();
    await proxy.refuse();
    const refused = connect(port, '127.0.0.1');
    expect(await once(refused, 'error')).toMatchObject([{ code: 'ECONNREFUSED' }]);
    before.write('still there');
    await said(before, 'still there');
    await proxy.reopen();
    expect(proxy.port).toBe(port);
    (await dial()).write('x');
  });

  it('cuts all connections', async () => {
    const [first, second] = [await dial(), await dial()];
    await eventually('both at the server', () => (accepted.length === 2 ? true : undefined));
    const ended = Promise.all([readToEnd(first), readToEnd(second)]);
    proxy.cutAll();
    const ends = await ended;
    expect(ends.map(({ wasReset }) => wasReset)).toEqual([true, true]);
    await Promise.all(proxy.connections.map(({ upstreamClosed }) => upstreamClosed));
  });
});
