import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { holdWhileWriting, PooledBuffer, pooledMemoryOf } from './pooled-buffer.js';

/** More than the buffers of two sockets and the system take. */
const BYTES = 4 * 1024 * 1024;

function take(): PooledBuffer {
  const memory = PooledBuffer.take(BYTES);
  if (!memory) throw new Error('not pooled');
  return memory;
}

/** All idle memory of this size, so that what is taken next is known. */
function emptyPool(): void {
  for (let count = 0; count < 16; count++) take();
}

beforeEach(emptyPool);

it('is used again when its last holder has released it, and not before', () => {
  const memory = take();
  memory.retain();
  memory.release();
  expect(take().bytes).not.toBe(memory.bytes);
  memory.release();
  expect(take().bytes).toBe(memory.bytes);
});

it('is found through a view of it, and only through that', () => {
  const memory = take();
  expect(pooledMemoryOf(memory.view(10))).toBe(memory);
  expect(pooledMemoryOf(memory.view(10).subarray(0, 5))).toBeNull();
  expect(pooledMemoryOf(Buffer.alloc(10))).toBeNull();
  expect(pooledMemoryOf(null)).toBeNull();
});

it('cannot be held again, nor released, once nobody holds it', () => {
  const memory = take();
  memory.release();
  expect(() => memory.retain()).toThrow('released by its last holder');
  expect(() => memory.release()).toThrow('more often than it was held');
});

it('is not pooled beyond 4 MiB, and holds what was asked for', () => {
  expect(PooledBuffer.take(BYTES + 1)).toBeNull();
  for (const bytes of [1, 128 * 1024, 128 * 1024 + 1, 3_000_000]) {
    expect(PooledBuffer.take(bytes)?.bytes.length).toBeGreaterThanOrEqual(bytes);
  }
});

describe('a socket that a view is written to', () => {
  let server: Server;
  let received: Socket;
  let socket: Socket;

  beforeEach(async () => {
    server = createServer({ pauseOnConnect: true });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    socket.on('error', () => undefined);
    [received] = (await once(server, 'connection')) as [Socket];
    received.on('error', () => undefined);
    holdWhileWriting(socket);
  });
  afterEach(async () => {
    socket.destroy();
    received.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  it('holds its memory until the bytes are with the system, whatever the request does', async () => {
    const memory = take();
    memory.bytes.fill('a');
    const written = new Promise((resolve) => {
      socket.cork();
      socket.write('head');
      socket.write(memory.view(BYTES), resolve);
      socket.write(memory.view(BYTES));
      socket.uncork();
    });
    memory.release();
    const other = take();
    expect(other.bytes).not.toBe(memory.bytes);
    const chunks: Buffer[] = [];
    const all = new Promise<void>((resolve) => {
      received.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        if (chunks.reduce((sum, { length }) => sum + length, 0) === 2 * BYTES + 4) resolve();
      });
    });
    received.resume();
    await Promise.all([written, all]);
    expect(Buffer.concat(chunks).toString('latin1')).toMatch(/^heada+$/);
    expect(take().bytes).toBe(memory.bytes);
  });

  it('gives it up when it dies in the middle', async () => {
    const memory = take();
    socket.write(memory.view(BYTES));
    socket.write(memory.view(BYTES));
    memory.release();
    expect(take().bytes).not.toBe(memory.bytes);
    socket.destroy();
    await once(socket, 'close');
    expect(take().bytes).toBe(memory.bytes);
  });
});
