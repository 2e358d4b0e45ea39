import { type Answer, call, callBody, eventsOf } from '../support/responses-client.js';
import { directive, type Script, Simulator } from '../../apps/simulator/src/simulator.js';
import type { Upstream } from '../../libs/contract/src/index.js';
import { FaultProxy } from '../support/fault-proxy.js';
import { TestGateway } from '../support/gateway.js';
import { COMPLETED, CREATED, DELTA, IN_PROGRESS, ScriptedUpstream, SSE } from '../support/scripted-upstream.js';
import { type FullRow, StreamClient } from '../support/stream-client.js';

const IDLE_TIMEOUT_MS = 400;
const TOTAL_TIMEOUT_MS = 500;
/** What a busy machine may add to a time. */
const SLACK_MS = 1_500;
const TOLD_MS_MAX = 50;
const MIB = 1024 * 1024;

let gateway: TestGateway;
let simulator: Simulator;
/** Between the gateway and the simulator. */
let proxy: FaultProxy;
let upstream: ScriptedUpstream;
let secret: string;

beforeAll(async () => {
  [gateway, simulator, upstream] = await Promise.all([
    TestGateway.start(),
    Simulator.start(),
    ScriptedUpstream.start(),
  ]);
  proxy = await FaultProxy.start(simulator.url);
  await serve('simulated', proxy.url, { idle_timeout_ms: IDLE_TIMEOUT_MS });
  await serve('limited', simulator.url, { total_timeout_ms: TOTAL_TIMEOUT_MS });
  await serve('scripted', upstream.url, { idle_timeout_ms: 10_000 });
  ({ secret } = await gateway.admin.issueKey());
});
afterAll(async () => {
  await gateway.stop();
  await Promise.all([proxy.close(), simulator.close(), upstream.close()]);
});
afterEach(() => {
  proxy.plan = {};
});

async function serve(name: string, baseUrl: string, more: object): Promise<void> {
  const { id } = await gateway.admin.create<Upstream>('/upstreams', { name, base_url: baseUrl, ...more });
  await gateway.admin.create('/models', { name, upstreams: [{ upstream_id: id }] });
}

const bodyOf = (script: Script, model = 'simulated') => callBody(`hello ${directive(script)}`, { model });
const open = (script: Script, model?: string) => StreamClient.open(gateway, bodyOf(script, model), { secret });
const rowOf = (answer: { requestId: string }) => gateway.row(answer.requestId) as Promise<FullRow>;

/** The answer is what the upstream sent up to there, then response.failed with the same id and the next number. */
function expectToldOf(body: Buffer, sent: { whole: Buffer; responseId: string | null; events: number }): void {
  expect(body.subarray(0, sent.whole.length).equals(sent.whole)).toBe(true);
  const rest = eventsOf(body).slice(sent.events);
  expect(rest).toMatchObject([
    { type: 'response.failed', sequence_number: sent.events, response: { id: sent.responseId, status: 'failed' } },
  ]);
  expect(body.toString().endsWith('}\n\n')).toBe(true);
}

describe('an upstream connection that is reset in the middle of a stream', () => {
  it('is told to the client within 50 ms as response.failed, and the stream ends properly', async () => {
    const waits: number[] = [];
    for (let round = 0; round < 3; round++) {
      const next = simulator.nextExchange();
      const client = await open({ hold_after_events: 6 });
      const exchange = await next;
      await exchange.sent(6);
      await client.until('"sequence_number":5');
      const cutAtMs = performance.now();
      proxy.cutAll();
      expect(await client.end()).toBe('end');
      waits.push(client.readAtMs - cutAtMs);
      expectToldOf(client.body, { whole: exchange.sentBytes, responseId: exchange.responseId, events: 6 });
      expect(await rowOf(client)).toMatchObject({
        outcome: 'upstream_broke_off',
        error_code: 'upstream_disconnected',
        status: 200,
        response_id: exchange.responseId,
        attempts: 1,
        settlement: expect.stringMatching(/^(partial|estimated)$/),
      });
    }
    expect(Math.min(...waits)).toBeLessThan(TOLD_MS_MAX);
  });

  it('leaves the client between two events, wherever it happens', async () => {
    const whole = (await call(gateway.url, bodyOf({ text: 'a b c' }), { secret })).body.length;
    for (const share of [0.3, 0.5, 0.7, 0.85, 0.97]) {
      proxy.cutAll();
      proxy.plan = { resetAfterBytes: { toClient: Math.floor(whole * share) + 900 } };
      const next = simulator.nextExchange();
      const answer = await call(gateway.url, bodyOf({ text: 'a b c', chunking: 'burst' }), { secret });
      const events = eventsOf(answer.body);
      if (events.at(-1)?.type === 'response.completed') continue;
      expect(events.at(-1)).toMatchObject({
        type: 'response.failed',
        sequence_number: events.length - 1,
        response: { id: (await next).responseId },
      });
      expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, index) => index));
    }
  });
});

describe('an upstream that falls silent', () => {
  it('is given up after idle_timeout_ms: the client is told, and the upstream is let go', async () => {
    const next = simulator.nextExchange();
    const client = await open({ fault: { kind: 'stall', after_events: 5 } });
    const exchange = await next;
    await client.until('"sequence_number":4');
    const silentSinceMs = client.readAtMs;
    expect(await client.end()).toBe('end');
    const waitedMs = client.readAtMs - silentSinceMs;
    expect(waitedMs).toBeGreaterThanOrEqual(IDLE_TIMEOUT_MS - 20);
    expect(waitedMs).toBeLessThan(IDLE_TIMEOUT_MS + SLACK_MS);
    expectToldOf(client.body, { whole: exchange.sentBytes, responseId: exchange.responseId, events: 5 });
    expect(eventsOf(client.body).at(-1)).toMatchObject({ response: { error: { code: 'upstream_idle_timeout' } } });
    await exchange.closed;
    expect(exchange.closedBy).toBe('client');
    expect(await rowOf(client)).toMatchObject({ outcome: 'timeout', error_code: 'upstream_idle_timeout', status: 200 });
  });

  it('is given up just so when its connection is half-open', async () => {
    const client = await open({ hold_after_events: 5 });
    await client.until('"sequence_number":4');
    proxy.plan = { instead: 'swallow' };
    expect(await client.end()).toBe('end');
    expect(eventsOf(client.body).at(-1)).toMatchObject({ response: { error: { code: 'upstream_idle_timeout' } } });
    expect(await rowOf(client)).toMatchObject({ outcome: 'timeout', error_code: 'upstream_idle_timeout' });
    proxy.plan = {};
    proxy.cutAll();
  });

  it('is not given up while it sends anything at all', async () => {
    const answer = await call(gateway.url, bodyOf({ deltas: 6, delta_delay_ms: 150 }), { secret });
    expect(eventsOf(answer.body).at(-1)?.type).toBe('response.completed');
    expect((await rowOf(answer)).duration_ms).toBeGreaterThan(IDLE_TIMEOUT_MS);
  });

  it('is not given up when the gap is the client’s: the time stands still under backpressure', async () => {
    const next = simulator.nextExchange();
    const client = await open({ big_event_bytes: 12 * MIB });
    client.pause();
    const exchange = await next;
    await new Promise((resolve) => setTimeout(resolve, IDLE_TIMEOUT_MS * 2));
    client.resume();
    expect(await client.end()).toBe('end');
    expect(client.body.equals(exchange.sentBytes)).toBe(true);
  });
});

it('an answer that takes longer than total_timeout_ms ends, however busy its upstream is', async () => {
  const next = simulator.nextExchange();
  const answer = await call(gateway.url, bodyOf({ deltas: 1_000, delta_delay_ms: 20 }, 'limited'), { secret });
  expect(eventsOf(answer.body).at(-1)).toMatchObject({
    type: 'response.failed',
    response: { id: (await next).responseId },
  });
  await (
    await next
  ).closed;
  const row = await rowOf(answer);
  expect(row).toMatchObject({ outcome: 'timeout', status: 200 });
  expect(row.duration_ms).toBeGreaterThanOrEqual(TOTAL_TIMEOUT_MS - 20);
  expect(row.duration_ms).toBeLessThan(TOTAL_TIMEOUT_MS + SLACK_MS);
});

describe('an event', () => {
  it('of 8 MiB passes untouched, and its usage is read', async () => {
    const next = simulator.nextExchange();
    const answer = await call(gateway.url, bodyOf({ big_event_bytes: 8 * MIB }), { secret });
    expect(answer.body.equals((await next).sentBytes)).toBe(true);
    const billed = simulator.ledger.entries.at(-1);
    expect(await rowOf(answer)).toMatchObject({
      outcome: 'ok',
      input_tokens: billed?.inputTokens,
      output_tokens: billed?.outputTokens,
      usage_source: 'terminal_event',
    });
  });

  it('of more than 32 MiB ends the stream with event_too_large, and the upstream is closed', async () => {
    const chunk = Buffer.alloc(MIB, 'x');
    upstream.behave = (response) => {
      response.writeHead(200, SSE).write(`${CREATED}${IN_PROGRESS}${DELTA}event: response.output_text.delta\ndata: "`);
      const more = () => {
        while (!response.destroyed && response.write(chunk));
      };
      response.on('drain', more);
      more();
    };
    const nextCall = upstream.nextCall();
    const answer = await call(gateway.url, callBody('hello', { model: 'scripted' }), { secret });
    const last = answer.body.toString('latin1').trimEnd().split('\n').at(-1) ?? '';
    expect(JSON.parse(last.slice('data: '.length))).toMatchObject({
      type: 'response.failed',
      response: { id: 'resp_scripted', error: { code: 'event_too_large' } },
    });
    await (
      await nextCall
    ).closed;
    expect(await rowOf(answer)).toMatchObject({ error_code: 'event_too_large', status: 200 });
  });
});

describe('behind the terminal event', () => {
  const ask = async (tail: string): Promise<{ answer: Answer; closed: Promise<number> }> => {
    upstream.behave = (response) => response.writeHead(200, SSE).write(CREATED + DELTA + COMPLETED + tail);
    const nextCall = upstream.nextCall();
    const answer = await call(gateway.url, callBody('hello', { model: 'scripted' }), { secret });
    return { answer, closed: (await nextCall).closed };
  };

  it.each([
    ['another event', DELTA],
    ['half an event', 'event: response.output_text.delta\ndata: {"ty'],
    ['another terminal event', COMPLETED.replace('"output_tokens":7', '"output_tokens":700')],
    ['what is no event', '\u0000\u0001garbage\r\r\n'],
  ])('%s is dropped, and the connection closed', async (_, tail) => {
    const { answer, closed } = await ask(tail);
    expect(answer.body.toString()).toBe(CREATED + DELTA + COMPLETED);
    await closed;
    expect(await rowOf(answer)).toMatchObject({ outcome: 'ok', input_tokens: 11, output_tokens: 7 });
  });

  it('a [DONE] is passed on', async () => {
    const { answer, closed } = await ask('data: [DONE]\n\n');
    expect(answer.body.toString()).toBe(`${CREATED}${DELTA}${COMPLETED}data: [DONE]\n\n`);
    await closed;
  });
});
