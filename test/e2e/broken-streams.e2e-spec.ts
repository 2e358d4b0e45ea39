import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http';
import { directive, type Script, type Simulator } from '../../apps/simulator/src/simulator.js';
import { eventually } from '../support/eventually.js';
import type { TestGateway } from '../support/gateway.js';
import { call, callBody, eventsOf } from '../support/responses-client.js';
import { type Scene, startScene } from '../support/scene.js';

// At once; but a crowded machine may need a while for anything.
const ABORT_MS_MAX = 2_000;

let scene: Scene;
let gateway: TestGateway;
let simulator: Simulator;
let secret: string;

beforeAll(async () => {
  scene = await startScene();
  ({ gateway, simulator, secret } = scene);
});
afterAll(() => scene.stop());

const scripted = (script: Script, fields: object = {}) =>
  call(gateway.url, callBody(`hello ${directive(script)}`, fields), { secret });

/** A call whose client can hang up at will. */
async function openCall(script: Script): Promise<{
  client: ClientRequest;
  response: Promise<IncomingMessage>;
  exchange: Awaited<ReturnType<Simulator['nextExchange']>>;
}> {
  const next = simulator.nextExchange();
  const client = httpRequest(`${gateway.url}/v1/responses`, {
    method: 'POST',
    headers: { authorization: `Bearer ${secret}` },
  });
  client.on('error', () => undefined);
  const response = new Promise<IncomingMessage>((resolve) => client.once('response', resolve));
  client.end(callBody(`hello ${directive(script)}`));
  return { client, response, exchange: await next };
}

describe('a client that leaves', () => {
  it('closes the upstream within 250 ms when it leaves mid-stream, and the row says so', async () => {
    const { client, response, exchange } = await openCall({ hold_after_events: 5 });
    const { headers } = await response;
    await once(await response, 'data');
    const leftAtMs = performance.now();
    client.destroy();
    await exchange.closed;
    expect((exchange.closedAtMs ?? Infinity) - leftAtMs).toBeLessThan(ABORT_MS_MAX);
    expect(exchange.closedBy).toBe('client');
    expect(await gateway.row(String(headers['x-request-id']))).toMatchObject({
      outcome: 'client_left',
      status: 200,
      settlement: 'estimated',
      response_id: exchange.responseId,
      usage_source: 'estimate',
      client_left_action: 'cancelled',
    });
  });

  it('closes the upstream within 250 ms when it leaves before the answer, and the row says 499', async () => {
    const { client, exchange } = await openCall({ fault: { kind: 'no_headers' } });
    const leftAtMs = performance.now();
    client.destroy();
    await exchange.closed;
    expect((exchange.closedAtMs ?? Infinity) - leftAtMs).toBeLessThan(ABORT_MS_MAX);
    const row = await eventually('a row with status 499', async () => {
      const { body } = await gateway.admin.get('/requests?status=499');
      return (body as { data: object[] }).data[0];
    });
    expect(row).toMatchObject({
      outcome: 'client_left',
      settlement: 'estimated',
      client_left_action: 'cancelled',
      attempts: 1,
    });
  });

  it('is not counted as gone when it hangs up behind the terminal event, as Codex does', async () => {
    const eventsUpToCompleted = 10;
    const { client, response, exchange } = await openCall({
      deltas: 2,
      done_marker: true,
      hold_after_events: eventsUpToCompleted,
    });
    const { headers } = await response;
    let text = '';
    for await (const chunk of await response) {
      text += String(chunk);
      if (text.includes('response.completed')) break;
    }
    client.destroy();
    await exchange.closed;
    expect(await gateway.row(String(headers['x-request-id']))).toMatchObject({
      outcome: 'ok',
      settlement: 'unpriced',
      output_tokens: 2,
    });
  });
});

describe('an upstream that breaks off', () => {
  it.each<[string, Script]>([
    ['between two events', { fault: { kind: 'break_off', after_events: 4 } }],
    ['in the middle of an event', { fault: { kind: 'break_off', after_events: 4, partial_bytes: 60 } }],
    ['with a proper end of the bytes but no terminal event', { fault: { kind: 'clean_eof', after_events: 4 } }],
  ])('%s becomes response.failed with the same id and the next sequence number', async (_, script) => {
    const next = simulator.nextExchange();
    const answer = await scripted(script);
    const exchange = await next;
    const events = eventsOf(answer.body);
    expect(answer.status).toBe(200);
    expect(events.map((event) => event.sequence_number)).toEqual([0, 1, 2, 3, 4]);
    expect(events.at(-1)).toMatchObject({
      type: 'response.failed',
      response: { id: exchange.responseId, status: 'failed', error: { code: 'upstream_disconnected' } },
    });
    expect(answer.body.toString().endsWith('\n\n')).toBe(true);
    expect(await gateway.row(answer.requestId)).toMatchObject({
      outcome: 'upstream_broke_off',
      status: 200,
      settlement: 'partial',
      error_code: 'upstream_disconnected',
      last_event: 'response.content_part.added',
      response_id: exchange.responseId,
    });
  });

  it.each<[string, Script, object]>([
    ['before its headers', { fault: { kind: 'reset_before_headers' } }, {}],
    ['behind its headers, before the first event', { fault: { kind: 'reset_after_headers' } }, {}],
    ['inside a JSON answer', { fault: { kind: 'break_off' } }, { stream: false }],
    ['with HTML', { fault: { kind: 'html', status: 502 } }, {}],
  ])('%s becomes a 502 without a word of its own', async (_, script, fields) => {
    const answer = await scripted(script, fields);
    expect(answer.status).toBe(502);
    expect(answer.error).toMatchObject({ type: 'upstream_error', code: 'upstream_error' });
    expect(answer.body.toString()).not.toContain('<');
    expect(await gateway.row(answer.requestId)).toMatchObject({ outcome: 'upstream_error', status: 502 });
  });
});

describe('an upstream that refuses', () => {
  const status = (code: number, more: object = {}): Script => ({
    fault: { kind: 'status', status: code, message: 'The upstream says so.', ...more } as never,
  });

  it.each([
    [401, 502, 'upstream_error'],
    [403, 502, 'upstream_error'],
    [500, 502, 'upstream_error'],
    [504, 504, 'upstream_timeout'],
    [503, 503, 'server_is_overloaded'],
    [429, 429, 'rate_limit_exceeded'],
  ])('with %i is answered as %i %s, and the row holds its own status', async (upstreamStatus, expected, code) => {
    const answer = await scripted(status(upstreamStatus));
    expect(answer.status).toBe(expected);
    expect(answer.error?.code).toBe(code);
    expect(await gateway.row(answer.requestId)).toMatchObject({ status: expected, upstream_status: upstreamStatus });
  });

  it('never makes a client wait longer than 30 s', async () => {
    const { headers, error } = await scripted(status(429, { headers: { 'retry-after': '3600' } }));
    expect(headers['retry-after']).toBe('30');
    expect(headers['retry-after-ms']).toBe('30000');
    expect(error?.message).toContain('try again in 30 s');
  });

  it('for a mistake of the client is passed on word for word', async () => {
    const exchange = simulator.nextExchange();
    const answer = await scripted(status(400, { code: 'invalid_prompt', type: 'invalid_request_error' }));
    expect(answer.status).toBe(400);
    expect(answer.body.equals((await exchange).sentBytes)).toBe(true);
    expect(await gateway.row(answer.requestId)).toMatchObject({
      outcome: 'client_error',
      error_code: 'invalid_prompt',
      error_message: 'The upstream says so.',
    });
  });

  it('inside the stream is an upstream error in the log', async () => {
    const answer = await scripted({ fault: { kind: 'failed', code: 'server_error', message: 'broken' } });
    expect(answer.status).toBe(200);
    expect(await gateway.row(answer.requestId)).toMatchObject({
      outcome: 'upstream_error',
      error_code: 'server_error',
      settlement: 'missing',
    });
  });
});

describe('several upstreams', () => {
  it('moves on to the next when one cannot be reached, and tries the dead one last from then on', async () => {
    const dead = await gateway.admin.create<{ id: string }>('/upstreams', {
      name: 'dead',
      base_url: 'http://127.0.0.1:9/v1',
      priority: 1,
    });
    const alive = await gateway.admin.create<{ id: string }>('/upstreams', {
      name: 'alive',
      base_url: simulator.baseUrl,
    });
    await gateway.admin.create('/models', {
      name: 'twice-served',
      upstreams: [{ upstream_id: dead.id }, { upstream_id: alive.id }],
    });
    const ask = () => call(gateway.url, callBody('hello', { model: 'twice-served' }), { secret });
    const [first, second] = [await ask(), await ask()];
    expect([first.status, second.status]).toEqual([200, 200]);
    expect(await gateway.row(first.requestId)).toMatchObject({ upstream_name: 'alive', attempts: 2 });
    expect(await gateway.row(second.requestId)).toMatchObject({ upstream_name: 'alive', attempts: 1 });
    expect((await gateway.admin.get(`/upstreams/${dead.id}`)).body).toMatchObject({ state: 'open', circuit: 'open' });
  });

  it('answers 502 when none can be reached, and nothing was used', async () => {
    const dead = await gateway.admin.create<{ id: string }>('/upstreams', {
      name: 'dead-2',
      base_url: 'http://127.0.0.1:9',
    });
    await gateway.admin.create('/models', { name: 'unserved', upstreams: [{ upstream_id: dead.id }] });
    const answer = await call(gateway.url, callBody('hello', { model: 'unserved' }), { secret });
    expect(answer.status).toBe(502);
    expect(await gateway.row(answer.requestId)).toMatchObject({
      outcome: 'upstream_error',
      settlement: 'final',
      input_tokens: 0,
      cost_usd: '0',
    });
  });
});
