import { request } from 'undici';
import { directive, type Script, type Simulator } from '../../apps/simulator/src/simulator.js';
import type { TestGateway } from '../support/gateway.js';
import { call, callBody } from '../support/responses-client.js';
import { type Scene, startScene } from '../support/scene.js';

let scene: Scene;
let gateway: TestGateway;
let simulator: Simulator;
let secret: string;

beforeAll(async () => {
  scene = await startScene();
  ({ gateway, simulator, secret } = scene);
});
afterAll(() => scene.stop());

describe('POST /v1/responses', () => {
  const scripts: [string, Script][] = [
    ['event by event', {}],
    ['in one burst', { chunking: 'burst', deltas: 200 }],
    ['byte by byte', { chunking: 1, deltas: 3 }],
    ['in pieces of 7 bytes with CRLF line ends', { chunking: 7, line_ending: 'crlf' }],
    [
      'without event lines, with comments and unknown events',
      { event_lines: false, comments: true, unknown_events: true },
    ],
    ['with reasoning, keep-alives and a [DONE] at the end', { reasoning: true, keepalive: true, done_marker: true }],
    ['with an event of 3 MB', { big_event_bytes: 3_000_000 }],
  ];

  it.each(scripts)('hands the client the very bytes that the upstream sent %s', async (_, script) => {
    const exchange = simulator.nextExchange();
    const answer = await call(gateway.url, callBody(`hello ${directive(script)}`), { secret });
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toBe('text/event-stream; charset=utf-8');
    expect(answer.body.equals((await exchange).sentBytes)).toBe(true);

    const row = await gateway.row(answer.requestId);
    const billed = simulator.ledger.entries.at(-1);
    expect(row).toMatchObject({
      outcome: 'ok',
      status: 200,
      stream: true,
      settlement: 'unpriced',
      usage_source: 'terminal_event',
      response_id: billed?.responseId,
      input_tokens: billed?.inputTokens,
      output_tokens: billed?.outputTokens,
      reasoning_tokens: billed?.reasoningTokens,
      response_bytes: answer.body.length,
      attempts: 1,
    });
  });

  it('adds the blank line that is missing at the end: without it Codex would not see the last event', async () => {
    const exchange = simulator.nextExchange();
    const script = directive({ final_blank_line: false });
    const answer = await call(gateway.url, callBody(`hello ${script}`), { secret });
    expect(answer.body.toString()).toBe(`${(await exchange).sentBytes.toString()}\n`);
    expect(await gateway.row(answer.requestId)).toMatchObject({ outcome: 'ok', usage_source: 'terminal_event' });
  });

  it('hands the upstream the very bytes that the client sent', async () => {
    const body =
      '{ "input" :"h\\u0069", "stream":false,\n "temperature": 1.0, "model": "gpt-5.5", "unknown": {"a":[1e3]} }';
    const exchange = simulator.nextExchange();
    await call(gateway.url, body, { secret });
    expect((await exchange).body.toString()).toBe(body);
  });

  it('answers a call without stream with the upstream’s JSON, byte for byte', async () => {
    const exchange = simulator.nextExchange();
    const answer = await call(gateway.url, callBody('hello', { stream: false }), { secret });
    expect(answer.headers['content-type']).toBe('application/json');
    expect(answer.body.equals((await exchange).sentBytes)).toBe(true);
    const { id, usage } = JSON.parse(answer.body.toString()) as { id: string; usage: { output_tokens: number } };
    expect(await gateway.row(answer.requestId)).toMatchObject({
      stream: false,
      outcome: 'ok',
      response_id: id,
      output_tokens: usage.output_tokens,
      usage_source: 'response_body',
    });
  });

  it('lets the first event through while the upstream still holds the rest', async () => {
    const body = callBody(`hello ${directive({ hold_after_events: 1 })}`);
    const answer = await request(`${gateway.url}/responses`, {
      method: 'POST',
      headers: { authorization: `Bearer ${secret}` },
      body,
    });
    const chunks = answer.body[Symbol.asyncIterator]();
    const first = (await chunks.next()).value as Buffer;
    expect(first.toString()).toMatch(/^event: response\.created\n[^\n]+\n\n$/);
    simulator.release();
    let rest = '';
    for (let next = await chunks.next(); !next.done; next = await chunks.next()) rest += String(next.value);
    expect(rest).toContain('response.completed');
  });

  it('sends the upstream the headers of the session and none of the client’s own', async () => {
    const exchange = simulator.nextExchange();
    await call(gateway.url, callBody('hello'), {
      secret,
      headers: {
        'session-id': 's-1',
        'x-codex-turn-metadata': '{}',
        originator: 'codex_exec',
        cookie: 'a=b',
        'chatgpt-account-id': 'acc',
        'x-forwarded-for': '1.2.3.4',
        'accept-encoding': 'gzip',
      },
    });
    const { headers } = await exchange;
    expect(headers).toMatchObject({
      'session-id': 's-1',
      'x-codex-turn-metadata': '{}',
      originator: 'codex_exec',
      'accept-encoding': 'identity',
    });
    for (const name of ['authorization', 'cookie', 'chatgpt-account-id', 'x-forwarded-for']) {
      expect(headers).not.toHaveProperty(name);
    }
  });

  it('keeps the upstream’s account to itself, and names the model that was asked for', async () => {
    const prompt = `hello ${directive({ model_header: 'gpt-5.5-2026-04-01' })}`;
    const { headers } = await call(gateway.url, callBody(prompt), { secret });
    expect(headers['openai-model']).toBe('gpt-5.5');
    expect(headers['x-codex-turn-state']).toBeDefined();
    for (const name of ['set-cookie', 'openai-organization', 'x-ratelimit-limit-requests', 'server']) {
      expect(headers).not.toHaveProperty(name);
    }
  });
});

describe('what a call is changed for', () => {
  it('sends kind codex store: false, whatever the client said, and changes no other byte', async () => {
    const codex = await gateway.admin.create<{ id: string }>('/upstreams', {
      name: 'codex-account',
      kind: 'codex',
      base_url: simulator.url,
      credential: 'upstream-secret',
    });
    await gateway.admin.create('/models', { name: 'codex-only', upstreams: [{ upstream_id: codex.id }] });
    const sent = async (body: string) => {
      const exchange = simulator.nextExchange();
      await call(gateway.url, body, { secret });
      expect((await exchange).headers.authorization).toBe('Bearer upstream-secret');
      return (await exchange).body.toString();
    };
    expect(await sent('{"model":"codex-only","store": true,"input":"x"}')).toBe(
      '{"model":"codex-only","store": false,"input":"x"}',
    );
    expect(await sent('{"model":"codex-only","input":"x"}')).toBe('{"store":false,"model":"codex-only","input":"x"}');
  });

  it('calls a model by its upstream name there, and by the name that was asked for in the log', async () => {
    const mapped = await gateway.admin.create<{ id: string }>('/upstreams', {
      name: 'mapped',
      base_url: simulator.baseUrl,
    });
    await gateway.admin.create('/models', {
      name: 'team-model',
      aliases: ['fast'],
      upstreams: [{ upstream_id: mapped.id, upstream_model: 'gpt-5.5-2026' }],
    });
    const exchange = simulator.nextExchange();
    const answer = await call(gateway.url, '{"input":"x", "model" : "fast"}', { secret });
    expect((await exchange).body.toString()).toBe('{"input":"x", "model" : "gpt-5.5-2026"}');
    expect(await gateway.row(answer.requestId)).toMatchObject({
      model: 'fast',
      served_model: 'gpt-5.5-2026',
      upstream_name: 'mapped',
    });
  });
});
