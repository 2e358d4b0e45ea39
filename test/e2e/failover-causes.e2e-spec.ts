import { gzipSync } from 'node:zlib';
import { type Answer, call, callBody } from '../support/responses-client.js';
import {
  type Behaviour,
  COMPLETED,
  CREATED,
  DELTA,
  ERROR,
  FAILED,
  IN_PROGRESS,
  JSON_TYPE,
  resetAnswer,
  SSE,
  WHOLE_STREAM,
} from '../support/scripted-upstream.js';
import { type FullRow, StreamClient } from '../support/stream-client.js';
import { startTwinScene, type TwinScene } from '../support/twin-scene.js';

const FAILOVER_MS_MAX = 200;
/** Lifecycle events are held back no longer than this, and what a busy machine adds. */
const HOLD_MS_MAX = 500 + 3_000;

let scene: TwinScene;

beforeAll(async () => {
  scene = await startTwinScene({ first: { cool_down_seconds_max: 0 } });
});
afterAll(() => scene.stop());
beforeEach(() => scene.reset());

const ask = (fields: object = {}): Promise<Answer> =>
  call(scene.gateway.url, callBody('hello', { model: 'twin', ...fields }), { secret: scene.secret });
const rowOf = (answer: Pick<Answer, 'requestId'>) => scene.gateway.row(answer.requestId) as Promise<FullRow>;

/** The second upstream's answer arrived whole, and the row tells of both tries. */
async function expectSecond(answer: Answer, attempt: { status?: number | null }): Promise<void> {
  expect(answer.status).toBe(200);
  expect(answer.body.equals(scene.simulator.exchanges.at(-1)?.sentBytes ?? Buffer.alloc(0))).toBe(true);
  expect(await rowOf(answer)).toMatchObject({
    outcome: 'ok',
    status: 200,
    error_code: null,
    upstream_name: 'second',
    response_id: scene.simulator.exchanges.at(-1)?.responseId,
    attempts: 2,
    upstream_attempts: [
      { upstream_id: scene.firstId, upstream_name: 'first', problem: expect.stringMatching(/./), ...attempt },
      { upstream_id: scene.secondId, upstream_name: 'second', status: 200, problem: null },
    ],
  });
}

const json = (status: number, error: object): Behaviour => {
  return (response) => response.writeHead(status, JSON_TYPE).end(JSON.stringify({ error }));
};
const stream = (text: string): Behaviour => {
  return (response) => response.writeHead(200, SSE).end(text);
};
const HTML = '<html><head><title>Bad Gateway</title></head></html>';

describe('before a byte has been written, the next upstream is tried', () => {
  it('when the port is closed', async () => {
    await scene.proxy.refuse();
    await expectSecond(await ask(), { status: null });
  });

  it('when the connection is reset under the request', async () => {
    scene.proxy.plan = { resetAfterBytes: { toUpstream: 0 } };
    await expectSecond(await ask(), { status: null });
    expect(scene.proxy.connections.at(-1)?.bytes.toUpstream).toBe(0);
  });

  it('when the connection is reset inside the head', async () => {
    scene.proxy.plan = { resetAfterBytes: { toClient: 20 } };
    await expectSecond(await ask(), { status: null });
  });

  it.each<[string, Behaviour]>([
    ['is reset behind its head', (response) => resetAnswer(response.writeHead(200, SSE))],
    ['ends behind its head', stream('')],
    ['is reset behind its lifecycle events', writeThenReset(CREATED + IN_PROGRESS)],
    ['ends behind its lifecycle events', stream(CREATED + IN_PROGRESS)],
    ['fails as its first word', stream(FAILED)],
    ['fails behind its lifecycle events', stream(CREATED + IN_PROGRESS + FAILED)],
    ['says error and fails behind its lifecycle events', stream(CREATED + ERROR + FAILED)],
    ['says error alone', stream(CREATED + ERROR)],
    ['is HTML', (response) => response.writeHead(200, { 'content-type': 'text/html' }).end(HTML)],
    ['is plain text', (response) => response.writeHead(200, { 'content-type': 'text/plain' }).end(WHOLE_STREAM)],
    [
      'is compressed without being asked',
      (response) => response.writeHead(200, { ...SSE, 'content-encoding': 'gzip' }).end(gzipSync(WHOLE_STREAM)),
    ],
    ['is a JSON error under a 200', json(200, { message: 'broken', type: 'server_error', code: null, param: null })],
  ])('when the answer %s', async (what, behave) => {
    scene.upstream.behave = behave;
    // A reset may overtake the head.
    await expectSecond(await ask(), what.startsWith('is reset') ? {} : { status: 200 });
  });

  it('when the answer in one piece is an error under a 200, or breaks off', async () => {
    scene.upstream.behave = json(200, { message: 'broken', type: 'server_error' });
    await expectSecond(await ask({ stream: false }), { status: 200 });
    scene.upstream.behave = (response) => {
      response.writeHead(200, { ...JSON_TYPE, 'content-length': 1000 }).write('{"id":"resp_x",');
      resetAnswer(response);
    };
    await expectSecond(await ask({ stream: false }), {});
  });

  it.each([401, 402, 403, 408, 429, 500, 502, 503, 504, 529])('when the status is %i', async (status) => {
    scene.upstream.behave = json(status, { message: 'No.', type: 'x', code: 'y', param: null });
    await expectSecond(await ask(), { status });
  });

  it('when a 502 is HTML', async () => {
    scene.upstream.behave = (response) => response.writeHead(502, { 'content-type': 'text/html' }).end(HTML);
    await expectSecond(await ask(), { status: 502 });
  });

  it('within 200 ms', async () => {
    const durations: number[] = [];
    for (let round = 0; round < 5; round++) {
      await scene.reset(json(500, { message: 'No.' }));
      await scene.proxy.refuse();
      durations.push((await rowOf(await ask({ stream: false }))).duration_ms);
    }
    expect(Math.min(...durations)).toBeLessThan(FAILOVER_MS_MAX);
  });

  it('with the same body, and the model’s name there', async () => {
    scene.upstream.behave = json(500, { message: 'No.' });
    const firstCall = scene.upstream.nextCall();
    const body = callBody('Grüße, 世界', { model: 'twin', unknown: [1.0, 1e3] });
    const answer = await call(scene.gateway.url, body, { secret: scene.secret });
    expect((await firstCall).body.toString()).toBe(body);
    expect(scene.simulator.exchanges.at(-1)?.body.toString()).toBe(body);
    expect(answer.status).toBe(200);
  });
});

describe('the next upstream is not tried', () => {
  it.each([400, 404, 409, 413, 415, 422])('for a mistake of the client: %i is passed on', async (status) => {
    const before = scene.simulator.exchanges.length;
    const error = { message: 'Your mistake.', type: 'invalid_request_error', param: 'input', code: 'yours' };
    scene.upstream.behave = json(status, error);
    const answer = await ask();
    expect(answer.status).toBe(status);
    expect(answer.body.toString()).toBe(JSON.stringify({ error }));
    expect(scene.simulator.exchanges).toHaveLength(before);
    expect(await rowOf(answer)).toMatchObject({ attempts: 1, outcome: 'client_error', error_code: 'yours' });
  });

  it('once content has been written: the client is told with response.failed', async () => {
    const before = scene.simulator.exchanges.length;
    scene.upstream.behave = writeThenReset(CREATED + IN_PROGRESS + DELTA);
    const answer = await ask();
    expect(answer.body.toString().startsWith(CREATED + IN_PROGRESS + DELTA)).toBe(true);
    expect(answer.body.toString()).toContain('event: response.failed\n');
    expect(scene.simulator.exchanges).toHaveLength(before);
    expect(await rowOf(answer)).toMatchObject({ attempts: 1, outcome: 'upstream_broke_off', upstream_name: 'first' });
  });

  it('for an upstream’s verdict on a response that has content', async () => {
    const failedLate = CREATED + IN_PROGRESS + DELTA + FAILED;
    scene.upstream.behave = stream(failedLate);
    const answer = await ask();
    expect(answer.body.toString()).toBe(failedLate);
    expect(await rowOf(answer)).toMatchObject({ attempts: 1, outcome: 'upstream_error' });
  });
});

describe('lifecycle events', () => {
  it('go out exactly as they came once content follows them', async () => {
    scene.upstream.behave = stream(WHOLE_STREAM);
    expect((await ask()).body.toString()).toBe(WHOLE_STREAM);
  });

  it('are held back no longer than 500 ms, after which the upstream is settled', async () => {
    const before = scene.simulator.exchanges.length;
    scene.upstream.behave = (response) => response.writeHead(200, SSE).write(CREATED);
    const upstreamCall = scene.upstream.nextCall();
    const startedAtMs = performance.now();
    const client = await StreamClient.open(scene.gateway, callBody('hello', { model: 'twin' }), scene);
    await client.until(CREATED);
    expect(client.readAtMs - startedAtMs).toBeLessThan(HOLD_MS_MAX);
    resetAnswer((await upstreamCall).response);
    await client.until('event: response.failed\n');
    expect(await client.end()).toBe('end');
    expect(client.text).toContain('"id":"resp_scripted"');
    expect(scene.simulator.exchanges).toHaveLength(before);
  });

  it('are not held back when there is no other upstream to move to', async () => {
    scene.upstream.behave = (response) => response.writeHead(200, SSE).write(CREATED);
    const upstreamCall = scene.upstream.nextCall();
    const client = await StreamClient.open(scene.gateway, callBody('hello', { model: 'lone' }), scene);
    await client.until(CREATED);
    (await upstreamCall).response.end(COMPLETED);
    expect(await client.end()).toBe('end');
    expect(client.text).toBe(CREATED + COMPLETED);
  });
});

function writeThenReset(text: string): Behaviour {
  return (response) => {
    response.writeHead(200, SSE).write(text);
    resetAnswer(response);
  };
}
