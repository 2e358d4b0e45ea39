import { directive, type Script, type Simulator } from '../../apps/simulator/src/simulator.js';
import type { Upstream } from '../../libs/contract/src/index.js';
import type { TestGateway } from '../support/gateway.js';
import { call, callBody, eventsOf } from '../support/responses-client.js';
import { type Scene, startScene } from '../support/scene.js';
import { COMPLETED, CREATED, DELTA, ScriptedUpstream, SSE } from '../support/scripted-upstream.js';
import { type FullRow, StreamClient } from '../support/stream-client.js';

const COMMENT = ': keep-alive\n\n';
const CODEX = { 'user-agent': 'codex_exec/0.169.0 (Linux)', originator: 'codex_exec' };

let scene: Scene;
let gateway: TestGateway;
let simulator: Simulator;
let upstream: ScriptedUpstream;
let secret: string;

beforeAll(async () => {
  scene = await startScene({ gateway: { env: { SSE_KEEP_ALIVE_SECONDS: '0.3' } } });
  ({ gateway, simulator, secret } = scene);
  upstream = await ScriptedUpstream.start();
  const { id } = await gateway.admin.create<Upstream>('/upstreams', { name: 'scripted', base_url: upstream.url });
  await gateway.admin.create('/models', { name: 'scripted', upstreams: [{ upstream_id: id }] });
});
afterAll(async () => {
  await scene.stop();
  await upstream.close();
});

const bodyOf = (script: Script) => callBody(`hello ${directive(script)}`);
const open = (body: string, headers: Record<string, string> = {}) =>
  StreamClient.open(gateway, body, { secret, headers });
const rowOf = (answer: { requestId: string }) => gateway.row(answer.requestId) as Promise<FullRow>;
const withoutComments = (text: string) => text.replaceAll(COMMENT, '');

describe.each([
  ['in the middle of the stream', 6],
  ['before the first event', 0],
])('while an upstream says nothing %s', (_, events) => {
  it('the client reads comments, and every byte of the upstream besides', async () => {
    const next = simulator.nextExchange();
    const client = await open(bodyOf({ hold_after_events: events }));
    await client.until(COMMENT + COMMENT);
    simulator.release();
    expect(await client.end()).toBe('end');
    expect(withoutComments(client.text)).toBe((await next).sentBytes.toString());
    const written = client.text.split(COMMENT).length - 1;
    expect(await rowOf(client)).toMatchObject({ outcome: 'ok', keep_alives: written, response_bytes: client.bytes });
  });
});

it('Codex reads keepalive events behind response.created, where a comment would not count', async () => {
  const next = simulator.nextExchange();
  const client = await open(bodyOf({ hold_after_events: 6 }), CODEX);
  await client.until('"type":"keepalive"');
  simulator.release();
  expect(await client.end()).toBe('end');
  const events = eventsOf(client.body);
  const own = events.filter(({ type }) => type === 'keepalive');
  expect(own.length).toBeGreaterThan(0);
  const others = events.filter(({ type }) => type !== 'keepalive');
  expect(others).toEqual(eventsOf((await next).sentBytes));
  expect(await rowOf(client)).toMatchObject({ outcome: 'ok', keep_alives: own.length });
});

it('Codex reads comments before response.created', async () => {
  const client = await open(bodyOf({ hold_after_events: 0 }), CODEX);
  await client.until(COMMENT);
  simulator.release();
  expect(await client.end()).toBe('end');
  expect(eventsOf(client.body)[0]?.type).toBe('response.created');
  expect(client.text.startsWith(COMMENT)).toBe(true);
});

describe('while an upstream has not even sent its head', () => {
  it('the client gets the head of a stream and comments', async () => {
    const next = simulator.nextExchange();
    const client = await open(bodyOf({ first_delay_ms: 700 }));
    expect(client.status).toBe(200);
    expect(client.headers['content-type']).toBe('text/event-stream; charset=utf-8');
    await client.until(COMMENT);
    expect((await next).status).toBeNull();
    expect(await client.end()).toBe('end');
    expect(withoutComments(client.text)).toBe((await next).sentBytes.toString());
    expect(await rowOf(client)).toMatchObject({ outcome: 'ok', status: 200, attempts: 1 });
  });

  it('a refusal that comes after that is told as response.failed', async () => {
    const client = await open(bodyOf({ first_delay_ms: 700, fault: { kind: 'status', status: 500 } }));
    expect(client.status).toBe(200);
    expect(await client.end()).toBe('end');
    expect(withoutComments(client.text)).toMatch(/^event: response\.failed\n/);
    expect(eventsOf(client.body)).toMatchObject([{ type: 'response.failed', sequence_number: 0 }]);
    expect(await rowOf(client)).toMatchObject({ outcome: 'upstream_error', upstream_status: 500 });
  });

  it('a call without stream gets nothing but its JSON', async () => {
    const body = callBody(`hello ${directive({ first_delay_ms: 600 })}`, { stream: false });
    const answer = await call(gateway.url, body, { secret });
    expect(JSON.parse(answer.body.toString())).toMatchObject({ object: 'response', status: 'completed' });
    expect(answer.headers['content-type']).toBe('application/json');
    expect(await rowOf(answer)).toMatchObject({ keep_alives: 0 });
  });
});

it('a keep-alive never lands inside an event that comes in two halves', async () => {
  const half = Math.floor(DELTA.length / 2);
  upstream.behave = (response) => void response.writeHead(200, SSE).write(CREATED + DELTA.slice(0, half));
  const nextCall = upstream.nextCall();
  const client = await open(callBody('hello', { model: 'scripted' }));
  await client.until(COMMENT);
  (await nextCall).response.end(DELTA.slice(half) + COMPLETED);
  expect(await client.end()).toBe('end');
  expect(withoutComments(client.text)).toBe(CREATED + DELTA + COMPLETED);
});

it('a busy stream carries none', async () => {
  const next = simulator.nextExchange();
  const client = await open(bodyOf({ deltas: 4, delta_delay_ms: 150 }));
  expect(await client.end()).toBe('end');
  expect(client.text).toBe((await next).sentBytes.toString());
  expect(await rowOf(client)).toMatchObject({ keep_alives: 0 });
});
