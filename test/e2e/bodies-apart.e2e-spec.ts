import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { Upstream } from '../../libs/contract/src/index.js';
import { callBody } from '../support/responses-client.js';
import { type Scene, startScene } from '../support/scene.js';

const CALLS = 160;
const AT_ONCE = 24;
/** From one piece to what fills every buffer on the way. */
const TEXT_BYTES = [100_000, 1_100_000, 3_900_000];
const ANSWER = '{"id":"resp_1","object":"response","status":"completed","output":[],"usage":null}';
const HEAD = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${ANSWER.length}\r\n`;

/** What an upstream may do with a body, by the number of the call. */
const TEMPERS = ['reads it', 'answers before it reads it', 'closes in the middle', 'reads it slowly'] as const;
/** Of a call that is answered early: enough for its memory to be wanted again. */
const READS_LATER_MS = 30;

/** An upstream that notes which requests' bytes came on each connection's calls, and is rude in every way. */
class RudeUpstream {
  /** Bodies that held the bytes of more than one call. */
  readonly mixed: string[] = [];
  bodies = 0;
  private calls = 0;
  private readonly sockets = new Set<Socket>();
  readonly server = createServer((socket) => this.serve(socket));

  private serve(socket: Socket): void {
    this.sockets.add(socket);
    socket.on('error', () => undefined);
    let chunks: Buffer[] = [];
    let bytes = 0;
    let wanted = -1;
    let temper: (typeof TEMPERS)[number] = 'reads it';
    const onData = (chunk: Buffer): void => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (wanted === -1) {
        const head = Buffer.concat(chunks).toString('latin1');
        const end = head.indexOf('\r\n\r\n');
        if (end === -1) return;
        wanted = end + 4 + Number(/content-length: (\d+)/i.exec(head)?.[1]);
        temper = TEMPERS[this.calls++ % TEMPERS.length] ?? 'reads it';
        if (temper === 'answers before it reads it') {
          socket.pause();
          socket.write(`${HEAD}\r\n${ANSWER}`);
          setTimeout(() => socket.resume(), READS_LATER_MS);
        }
      }
      if (temper === 'closes in the middle' && bytes > wanted / 2) return void socket.destroy();
      if (temper === 'reads it slowly') {
        socket.pause();
        setImmediate(() => socket.resume());
      }
      if (bytes < wanted) return;
      const all = Buffer.concat(chunks);
      this.check(all.subarray(0, wanted));
      this.bodies++;
      if (temper !== 'answers before it reads it') socket.write(`${HEAD}\r\n${ANSWER}`);
      const rest = all.subarray(wanted);
      [chunks, bytes, wanted] = [[], 0, -1];
      if (rest.length > 0) onData(rest);
    };
    socket.on('data', onData);
    // What came of a call that was cut counts, too.
    socket.on('close', () => this.check(Buffer.concat(chunks)));
  }

  /** Each call's text is its number, over and over. */
  private check(bytes: Buffer): void {
    const marks = new Set(bytes.toString('latin1').match(/<\d{4}>/g));
    if (marks.size > 1) this.mixed.push([...marks].join(' '));
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

let scene: Scene;
const upstream = new RudeUpstream();

beforeAll(async () => {
  scene = await startScene();
  await once(upstream.server.listen(0, '127.0.0.1'), 'listening');
  const { port } = upstream.server.address() as AddressInfo;
  const { id } = await scene.gateway.admin.create<Upstream>('/upstreams', {
    name: 'rude',
    base_url: `http://127.0.0.1:${port}`,
  });
  await scene.gateway.admin.create('/models', { name: 'rude', upstreams: [{ upstream_id: id }] });
});
afterAll(async () => {
  await scene.stop();
  await upstream.close();
});

it('no upstream ever gets a byte of another request, however clients leave and upstreams behave', async () => {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let number = next++; number < CALLS; number = next++) await call(number);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  expect(upstream.mixed).toEqual([]);
  // Most bodies did get there whole.
  expect(upstream.bodies).toBeGreaterThan(CALLS / 3);
  expect(scene.gateway.output()).not.toMatch(/released by its last holder|more often than it was held|uncaught/i);
});

/** Sends one call, and leaves it in the middle every fifth time; resolves when its connection is over. */
function call(number: number): Promise<void> {
  const mark = `<${String(number).padStart(4, '0')}>`;
  const bytes = TEXT_BYTES[number % TEXT_BYTES.length] ?? 0;
  const body = callBody(mark.repeat(bytes / mark.length), { model: 'rude', stream: false });
  return new Promise((resolve) => {
    const request = httpRequest(`${scene.gateway.url}/v1/responses`, {
      method: 'POST',
      agent: false,
      headers: { authorization: `Bearer ${scene.secret}`, 'content-type': 'application/json' },
    });
    request.on('error', () => undefined);
    request.on('close', () => resolve());
    request.on('response', (response) => response.on('error', () => undefined).resume());
    request.end(body, () => {
      if (number % 5 === 0) setImmediate(() => request.destroy());
    });
  });
}
