import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { request } from 'undici';
import { directive, Simulator } from '../../apps/simulator/src/simulator.js';
import type { OpenRequestList, Upstream } from '../../libs/contract/src/index.js';
import { rssBytes } from '../fuzz/fuzz-run.js';
import { eventually } from '../support/eventually.js';
import type { TestGateway } from '../support/gateway.js';
import { sendRaw } from '../support/raw-socket.js';
import { type Answer, call, callBody } from '../support/responses-client.js';
import { type Scene, startScene } from '../support/scene.js';
import { zstdBomb, zstdStored } from '../support/zstd.js';

const MIB = 1024 * 1024;
const BODIES = 50;
const BODY_BYTES = 3 * MIB;
const FIXTURES = join(__dirname, '../fixtures/zstd');
const codexRequest = readFileSync(join(FIXTURES, 'codex-request.body'));

let scene: Scene;
let gateway: TestGateway;
let simulator: Simulator;
let secret: string;

beforeAll(async () => {
  scene = await startScene();
  ({ gateway, simulator, secret } = scene);
});
afterAll(() => scene.stop());

const send = (body: Buffer, encoding?: string): Promise<Answer> =>
  call(gateway.url, body, { secret, headers: encoding ? { 'content-encoding': encoding } : {} });

/** A call of exactly so many bytes. */
function callOf(bytes: number): Buffer {
  const empty = callBody('', { stream: false });
  return Buffer.from(callBody('a'.repeat(bytes - empty.length), { stream: false }));
}

describe('a compressed request', () => {
  it.each<[string, Buffer]>([
    ['zstd', readFileSync(join(FIXTURES, 'codex-request.level-3.zst'))],
    ['gzip', gzipSync(codexRequest)],
    ['x-gzip', gzipSync(codexRequest)],
    ['br', brotliCompressSync(codexRequest)],
    ['deflate', deflateSync(codexRequest)],
  ])('of Codex reaches the upstream as the JSON that it is: %s', async (encoding, compressed) => {
    const exchange = simulator.nextExchange();
    const answer = await send(compressed, encoding);
    expect(answer.status).toBe(200);
    const { body, headers } = await exchange;
    expect(body.equals(codexRequest)).toBe(true);
    expect(headers).toMatchObject({ 'content-length': String(codexRequest.length) });
    expect(headers).not.toHaveProperty('content-encoding');
    expect(await gateway.row(answer.requestId)).toMatchObject({
      outcome: 'ok',
      model: 'gpt-5.5',
      request_bytes: compressed.length,
    });
  });

  it.each<[string, (body: Buffer) => Buffer]>([
    ['zstd', zstdStored],
    ['gzip', (body) => gzipSync(body, { level: 0 })],
  ])('may be of 30 MB: %s', async (encoding, compress) => {
    const body = callOf(30_000_000);
    const exchange = simulator.nextExchange();
    expect((await send(compress(body), encoding)).status).toBe(200);
    expect((await exchange).body.equals(body)).toBe(true);
  });

  it.each<[string, Buffer]>([
    ['zstd', zstdBomb(1000)],
    ['gzip', gzipSync(Buffer.alloc(100 * MIB))],
  ])(
    'that unpacks a thousand times is refused, and its connection and the gateway go on: %s',
    async (encoding, bomb) => {
      const before = simulator.exchanges.length;
      const answer = await send(bomb, encoding);
      expect(answer.status).toBe(413);
      expect(answer.error).toMatchObject({ code: 'request_too_large' });
      expect(await gateway.row(answer.requestId)).toMatchObject({ status: 413, outcome: 'client_error' });
      expect(simulator.exchanges).toHaveLength(before);
      expect((await send(callOf(100))).status).toBe(200);
    },
  );

  it.each(['zstd', 'gzip', 'br', 'deflate'])('that is not what it says is answered 400: %s', async (encoding) => {
    const answer = await send(codexRequest, encoding);
    expect(answer.status).toBe(400);
    expect(answer.error).toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining(`one whole ${encoding}`),
    });
  });

  it('with two encodings is answered 415 with what is possible, in one header or two', async () => {
    const head = `POST /v1/responses HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${secret}\r\ncontent-length: 0\r\n`;
    for (const fields of ['content-encoding: gzip, gzip\r\n', 'content-encoding: gzip\r\ncontent-encoding: gzip\r\n']) {
      const answer = await sendRaw(gateway.url, `${head}${fields}\r\n`);
      expect(answer.status).toBe(415);
      expect(answer.headers['accept-encoding']).toBe('zstd, gzip, br, deflate');
    }
  });

  it('is not decoded for strangers', async () => {
    const answer = await call(gateway.url, zstdBomb(1000), { headers: { 'content-encoding': 'zstd' } });
    expect(answer.status).toBe(401);
  });
});

describe('a large request', () => {
  it('takes no more than twice its own memory, with fifty of 3 MiB at once', async () => {
    // Keeps none of them in the memory of the tests.
    const forgetful = await Simulator.start({ recordRequests: false });
    try {
      const { id } = await gateway.admin.create<Upstream>('/upstreams', { name: 'm', base_url: forgetful.baseUrl });
      await gateway.admin.create('/models', { name: 'held', upstreams: [{ upstream_id: id }] });
      const script = directive({ hold_after_events: 1, deltas: 1 });
      const body = Buffer.from(callBody(`${'a'.repeat(BODY_BYTES)} ${script}`, { model: 'held', store: false }));
      const before = rssBytes(gateway);
      const answers = Array.from({ length: BODIES }, () => send(body));
      await eventually('the first event of each', async () => {
        const { body: running } = await gateway.admin.get('/requests/in-flight?limit=200');
        const answering = (running as OpenRequestList).data.filter(({ phase }) => phase === 'answering');
        return answering.length === BODIES ? true : undefined;
      });
      expect(rssBytes(gateway) - before).toBeLessThan(2 * BODIES * body.length);
      forgetful.release();
      expect(new Set((await Promise.all(answers)).map(({ status }) => status))).toEqual(new Set([200]));
    } finally {
      await forgetful.close();
    }
  });

  it('of 64 MiB reaches the upstream', async () => {
    const body = callOf(64 * MIB);
    const exchange = simulator.nextExchange();
    const answer = await send(body);
    expect(answer.status).toBe(200);
    expect((await exchange).body.equals(body)).toBe(true);
    expect(await gateway.row(answer.requestId)).toMatchObject({ request_bytes: 64 * MIB });
  });

  it('of more is answered 413, which its sender gets to see, when its length was not told either', async () => {
    const chunk = Buffer.alloc(MIB, ' ');
    const answer = await request(`${gateway.url}/v1/responses`, {
      method: 'POST',
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
      body: Readable.from(Array.from({ length: 80 }, () => chunk)),
    });
    expect(answer.statusCode).toBe(413);
    expect(await answer.body.json()).toMatchObject({ error: { code: 'request_too_large' } });
  });
});
