import type { Upstream } from '../../libs/contract/src/index.js';
import { eventually } from '../support/eventually.js';
import { type Answer, call, callBody } from '../support/responses-client.js';
import { type Behaviour, CREATED, DELTA, JSON_TYPE, SSE, WHOLE_STREAM } from '../support/scripted-upstream.js';
import { StreamClient } from '../support/stream-client.js';
import { startTwinScene, type TwinScene } from '../support/twin-scene.js';

/** Longer than a circuit stays open after its first failures. */
const RECOVERY_MS_MAX = 10_000;
const MANY = 12;

type Shown = Upstream & { circuit: string; state: string; health: { in_flight: number } | null };

let scene: TwinScene;

beforeAll(async () => {
  scene = await startTwinScene();
});
afterAll(() => scene.stop());
beforeEach(() => scene.reset());

const ask = (model = 'twin'): Promise<Answer> =>
  call(scene.gateway.url, callBody('hello', { model }), { secret: scene.secret });
const rowOf = (answer: Answer) => scene.gateway.row(answer.requestId);
const shown = async (id = scene.firstId) => (await scene.gateway.admin.get(`/upstreams/${id}`)).body as Shown;
const refusal = (status: number, headers: Record<string, string> = {}): Behaviour => {
  const error = { message: 'No.', type: 'x', code: null, param: null };
  return (response) => response.writeHead(status, { ...JSON_TYPE, ...headers }).end(JSON.stringify({ error }));
};

describe('an upstream whose calls fail', () => {
  it('is left alone after some failures, tried again after a while, and taken back at its first success', async () => {
    scene.upstream.behave = refusal(500);
    for (let count = 0; count < MANY; count++) expect((await ask()).status).toBe(200);
    expect((await shown()).circuit).toBe('open');
    const callsBefore = scene.upstream.calls.length;
    expect(callsBefore).toBeLessThan(MANY);
    expect(await rowOf(await ask())).toMatchObject({ upstream_name: 'second', attempts: 1 });
    expect(scene.upstream.calls).toHaveLength(callsBefore);

    await eventually(
      'a half-open circuit',
      async () => ((await shown()).circuit === 'half_open' ? true : undefined),
      RECOVERY_MS_MAX,
    );
    scene.upstream.behave = (response) =>
      response.writeHead(200, JSON_TYPE).end('{"id":"resp_1","status":"completed"}');
    const body = callBody('hello', { model: 'twin', stream: false });
    const trial = await call(scene.gateway.url, body, { secret: scene.secret });
    expect(await rowOf(trial)).toMatchObject({ upstream_name: 'first', attempts: 1, outcome: 'ok' });
    expect((await shown()).circuit).toBe('closed');
  }, 40_000);

  it('is left alone at once when its port is closed', async () => {
    await scene.proxy.refuse();
    scene.proxy.cutAll();
    expect(await rowOf(await ask())).toMatchObject({ upstream_name: 'second', attempts: 2 });
    expect(await rowOf(await ask())).toMatchObject({ upstream_name: 'second', attempts: 1 });
    expect(await shown()).toMatchObject({ circuit: 'open' });
  });

  it('is asked all the same when it is the only one', async () => {
    scene.upstream.behave = refusal(500);
    for (let count = 0; count < MANY; count++) expect((await ask('lone')).status).toBe(502);
    scene.upstream.behave = (response) => response.writeHead(200, SSE).end(WHOLE_STREAM);
    expect((await ask('lone')).status).toBe(200);
  });

  it('is not blamed for what clients do wrong', async () => {
    scene.upstream.behave = refusal(400);
    for (let count = 0; count < MANY; count++) expect((await ask()).status).toBe(400);
    expect(await shown()).toMatchObject({ circuit: 'closed', state: 'healthy' });
  });

  it('is not blamed for clients that leave', async () => {
    scene.upstream.behave = (response) => response.writeHead(200, SSE).write(CREATED + DELTA);
    for (let count = 0; count < MANY; count++) {
      const next = scene.upstream.nextCall();
      const client = await StreamClient.open(scene.gateway, callBody('hello', { model: 'twin' }), scene);
      await client.until(DELTA);
      client.leave();
      await (
        await next
      ).closed;
    }
    expect(await shown()).toMatchObject({ circuit: 'closed', state: 'healthy' });
    await eventually('nothing in flight', async () => ((await shown()).health?.in_flight === 0 ? true : undefined));
  });
});

describe('an upstream that asks for a pause', () => {
  it('gets it, and is used again afterwards', async () => {
    scene.upstream.behave = refusal(429, { 'retry-after': '1' });
    expect(await rowOf(await ask())).toMatchObject({ upstream_name: 'second', attempts: 2 });
    const pausedAtMs = performance.now();
    expect(await shown()).toMatchObject({ state: 'cooling_down' });
    expect(await rowOf(await ask())).toMatchObject({ upstream_name: 'second', attempts: 1 });
    scene.upstream.behave = (response) => response.writeHead(200, SSE).end(WHOLE_STREAM);
    await eventually('the first upstream again', async () =>
      (await rowOf(await ask())).upstream_name === 'first' ? true : undefined,
    );
    expect(performance.now() - pausedAtMs).toBeGreaterThan(900);
  });
});

describe('an operator', () => {
  it('takes an upstream out at once, and back', async () => {
    expect((await scene.gateway.admin.post(`/upstreams/${scene.firstId}/trip`)).status).toBe(200);
    expect(await shown()).toMatchObject({ state: 'tripped' });
    const calls = scene.upstream.calls.length;
    expect(await rowOf(await ask())).toMatchObject({ upstream_name: 'second', attempts: 1 });
    expect((await ask('lone')).status).toBe(503);
    expect(scene.upstream.calls).toHaveLength(calls);
    expect((await scene.gateway.admin.post(`/upstreams/${scene.firstId}/reset`)).status).toBe(200);
    expect(await shown()).toMatchObject({ circuit: 'closed', state: 'healthy' });
    expect(await rowOf(await ask())).toMatchObject({ upstream_name: 'first' });
  });

  it('is told of an upstream that there is not', async () => {
    for (const action of ['trip', 'reset']) {
      const unknown = scene.firstId.slice(0, -4) + '0000';
      expect((await scene.gateway.admin.post(`/upstreams/${unknown}/${action}`)).status).toBe(404);
    }
  });
});
