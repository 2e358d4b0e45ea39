import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import type { Upstream } from '../../libs/contract/src/index.js';
import { type Answer, call, callBody } from '../support/responses-client.js';
import { type Behaviour, JSON_TYPE, ScriptedUpstream, SSE, WHOLE_STREAM } from '../support/scripted-upstream.js';
import type { FullRow } from '../support/stream-client.js';
import { startTwinScene, type TwinScene } from '../support/twin-scene.js';

let scene: TwinScene;
/** Takes connections and never says a word. */
let silent: Server;
const silentSockets: Socket[] = [];

beforeAll(async () => {
  silent = createServer((socket) => silentSockets.push(socket));
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  scene = await startTwinScene({ first: { headers_timeout_ms: 300, cool_down_seconds_max: 0 } });
});
afterAll(async () => {
  await scene.stop();
  for (const socket of silentSockets) socket.destroy();
  silent.close();
});
beforeEach(() => scene.reset());

const ask = (model: string, fields: object = {}): Promise<Answer> =>
  call(scene.gateway.url, callBody('hello', { model, ...fields }), { secret: scene.secret });
const rowOf = (answer: Answer) => scene.gateway.row(answer.requestId) as Promise<FullRow>;

/** A model of its own, served by one upstream at that URL. */
async function serveFrom(name: string, baseUrl: string, more: object = {}): Promise<string> {
  const { id } = await scene.gateway.admin.create<Upstream>('/upstreams', { name, base_url: baseUrl, ...more });
  await scene.gateway.admin.create('/models', { name, upstreams: [{ upstream_id: id }] });
  return name;
}

const json = (status: number, headers: Record<string, string> = {}): Behaviour => {
  const error = { message: 'Project proj_1 with key sk-proj-abcdefghijklmnop says no.', type: 'x', code: 'y' };
  return (response) => response.writeHead(status, { ...JSON_TYPE, ...headers }).end(JSON.stringify({ error }));
};
const HTML = '<html><head><title>502 Bad Gateway</title></head></html>';

describe('without another upstream to move to', () => {
  it('a closed port is a 502, and the row names the problem', async () => {
    await scene.proxy.refuse();
    const answer = await ask('lone');
    expect(answer.status).toBe(502);
    expect(answer.error).toMatchObject({ type: 'upstream_error', code: 'upstream_error' });
    expect(await rowOf(answer)).toMatchObject({
      outcome: 'upstream_error',
      status: 502,
      error_code: 'upstream_error',
      attempts: 1,
      upstream_attempts: [{ upstream_name: 'first', status: null, problem: expect.stringMatching(/refused/i) }],
      settlement: 'final',
      input_tokens: 0,
    });
  });

  it('a name that does not resolve is a 502', async () => {
    const answer = await ask(await serveFrom('nowhere', 'http://no-such-host.invalid/v1'));
    expect([answer.status, answer.error?.code]).toEqual([502, 'upstream_error']);
    expect(await rowOf(answer)).toMatchObject({ outcome: 'upstream_error', attempts: 1 });
  });

  it('a server without TLS behind an https URL is a 502', async () => {
    const answer = await ask(await serveFrom('no-tls', scene.proxy.url.replace('http:', 'https:')));
    expect([answer.status, answer.error?.code]).toEqual([502, 'upstream_error']);
    expect(await rowOf(answer)).toMatchObject({ upstream_attempts: [{ status: null }] });
  });

  it('a server that never finishes its handshake is given up after connect_timeout_ms', async () => {
    const baseUrl = `https://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const answer = await ask(await serveFrom('mute', baseUrl, { connect_timeout_ms: 200 }));
    expect([502, 504]).toContain(answer.status);
    const { duration_ms: durationMs } = await rowOf(answer);
    expect(durationMs).toBeGreaterThanOrEqual(190);
    expect(durationMs).toBeLessThan(2_500);
  });

  it('no head within headers_timeout_ms is a 504, and the upstream is let go', async () => {
    scene.upstream.behave = () => undefined;
    const upstreamCall = scene.upstream.nextCall();
    const answer = await ask('lone', { stream: false });
    expect(answer.status).toBe(504);
    expect(answer.error).toMatchObject({ type: 'upstream_timeout', code: 'upstream_timeout' });
    await (
      await upstreamCall
    ).closed;
    const row = await rowOf(answer);
    expect(row).toMatchObject({ outcome: 'timeout', error_code: 'upstream_timeout', attempts: 1 });
    expect(row.duration_ms).toBeGreaterThanOrEqual(290);
    expect(row.duration_ms).toBeLessThan(2_500);
  });

  it.each<[string, Behaviour, number, string]>([
    ['401', json(401), 502, 'upstream_error'],
    ['402', json(402), 502, 'upstream_error'],
    ['403', json(403), 502, 'upstream_error'],
    ['408', json(408), 504, 'upstream_timeout'],
    ['500', json(500), 502, 'upstream_error'],
    ['503', json(503), 503, 'server_is_overloaded'],
    ['529', json(529), 503, 'server_is_overloaded'],
    ['504', json(504), 504, 'upstream_timeout'],
    ['200 that holds an error', json(200), 502, 'upstream_error'],
    [
      '200 that is HTML',
      (response) => response.writeHead(200, { 'content-type': 'text/html' }).end(HTML),
      502,
      'upstream_error',
    ],
    [
      '502 that is HTML',
      (response) => response.writeHead(502, { 'content-type': 'text/html' }).end(HTML),
      502,
      'upstream_error',
    ],
    [
      '200 of another type',
      (response) => response.writeHead(200, { 'content-type': 'text/plain' }).end(WHOLE_STREAM),
      502,
      'upstream_error',
    ],
    [
      '200 that is compressed',
      (response) => response.writeHead(200, { ...SSE, 'content-encoding': 'gzip' }).end(gzipSync(WHOLE_STREAM)),
      502,
      'upstream_error',
    ],
  ])('a %s tells the client nothing of the account behind it', async (_, behave, status, code) => {
    scene.upstream.behave = behave;
    const answer = await ask('lone');
    expect([answer.status, answer.error?.code]).toEqual([status, code]);
    const text = answer.body.toString();
    for (const secret of ['<html', 'proj_1', 'sk-proj']) expect(text).not.toContain(secret);
    const row = await rowOf(answer);
    expect(row.error_message?.length).toBeLessThanOrEqual(300);
    expect(row.error_message).not.toContain('sk-proj-abcdefghijklmnop');
    expect(row).toMatchObject({ status, attempts: 1, upstream_attempts: [{ upstream_name: 'first' }] });
  });
});

describe('when all upstreams refuse', () => {
  let other: ScriptedUpstream;
  beforeAll(async () => {
    other = await ScriptedUpstream.start();
    const { id } = await scene.gateway.admin.create<Upstream>('/upstreams', {
      name: 'other',
      base_url: other.url,
      cool_down_seconds_max: 0,
    });
    const upstreams = [{ upstream_id: scene.firstId }, { upstream_id: id }];
    await scene.gateway.admin.create('/models', { name: 'refused', upstreams });
  });
  afterAll(() => other.close());

  it.each([
    [429, 429, 'rate_limit_exceeded'],
    [503, 503, 'server_is_overloaded'],
  ])('with %i, the longest Retry-After is passed on', async (upstreamStatus, status, code) => {
    scene.upstream.behave = json(upstreamStatus, { 'retry-after': '17' });
    other.behave = json(upstreamStatus, { 'retry-after': '4' });
    const answer = await ask('refused');
    expect([answer.status, answer.error?.code]).toEqual([status, code]);
    expect(answer.headers['retry-after']).toBe('17');
    expect(await rowOf(answer)).toMatchObject({
      outcome: 'upstream_error',
      attempts: 2,
      upstream_attempts: [
        { upstream_name: 'first', status: upstreamStatus },
        { upstream_name: 'other', status: upstreamStatus },
      ],
    });
  });

  it('tells of each try when its connection was there, when it was sent, when it was answered, and by which headers', async () => {
    scene.upstream.behave = json(503, { 'x-served-by': 'edge-7', 'set-cookie': 'id=1' });
    other.behave = json(503, {});
    await ask('refused');
    const [first, second] = (await rowOf(await ask('refused'))).upstream_attempts as unknown as {
      connection: object | null;
      sent_ms: number;
      first_byte_ms: number;
      duration_ms: number;
      headers: Record<string, string>;
    }[];
    expect(first?.headers).toMatchObject({
      'x-served-by': 'edge-7',
      'set-cookie': '…',
      'content-type': 'application/json',
    });
    for (const attempt of [first, second]) {
      expect(attempt?.sent_ms).toBeLessThanOrEqual(attempt?.first_byte_ms ?? 0);
      expect(attempt?.first_byte_ms).toBeLessThanOrEqual((attempt?.duration_ms ?? 0) + 0.01);
    }
    // Each has a connection already: there was no need to make one.
    expect([first?.connection, second?.connection]).toEqual([null, null]);
  });

  it('never tells a client to wait longer than 30 s', async () => {
    scene.upstream.behave = json(429, { 'retry-after': '3600' });
    other.behave = json(429, { 'retry-after': '1' });
    expect((await ask('refused')).headers['retry-after']).toBe('30');
  });
});
