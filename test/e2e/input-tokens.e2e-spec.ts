import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import OpenAI from 'openai';
import { directive, type Script } from '../../apps/simulator/src/simulator.js';
import { type Answer, call } from '../support/responses-client.js';
import { type Scene, startScene } from '../support/scene.js';

const PATH = '/v1/responses/input_tokens';
const TEXT = 'The quick brown fox jumps over the lazy dog.';

let scene: Scene;

beforeAll(async () => {
  scene = await startScene();
});
afterAll(() => scene.stop());

function count(input: unknown, fields: object = {}, secret = scene.secret, path = PATH): Promise<Answer> {
  return call(scene.gateway.url, JSON.stringify({ model: 'gpt-5.5', input, ...fields }), { secret, path });
}

function scripted(script: Script): Promise<Answer> {
  return count(TEXT, { instructions: directive(script) });
}

const tokensOf = ({ body }: Answer) => (JSON.parse(body.toString('utf8')) as { input_tokens: number }).input_tokens;

/** An upstream of its own for a model of its own, so that what is remembered of it disturbs nobody. */
async function modelOn(baseUrl: string, model: string): Promise<void> {
  const { admin } = scene.gateway;
  const upstream = await admin.create<{ id: string }>('/upstreams', { name: model, kind: 'openai', base_url: baseUrl });
  await admin.create('/models', { name: model, upstreams: [{ upstream_id: upstream.id }] });
}

function expectEstimate(answer: Answer): void {
  expect(answer.status).toBe(200);
  expect(answer.headers['x-tollgate-estimated']).toBe('true');
  expect(JSON.parse(answer.body.toString('utf8'))).toEqual({
    object: 'response.input_tokens',
    input_tokens: expect.any(Number),
  });
}

describe('POST /v1/responses/input_tokens', () => {
  it('passes the count of the upstream on, and bills nothing', async () => {
    const client = new OpenAI({ baseURL: `${scene.gateway.url}/v1`, apiKey: scene.secret, maxRetries: 0 });
    const { data, response } = await client.responses.inputTokens
      .count({ model: 'gpt-5.5', input: 'x'.repeat(398) })
      .withResponse();
    expect(data).toEqual({ object: 'response.input_tokens', input_tokens: 100 });
    expect(response.headers.get('x-tollgate-estimated')).toBeNull();
    expect(await scene.gateway.row(response.headers.get('x-request-id'))).toMatchObject({
      kind: 'input_tokens',
      outcome: 'ok',
      status: 200,
      model: 'gpt-5.5',
      upstream_name: scene.issued.upstream?.name,
      settlement: 'final',
      input_tokens: 0,
      cost_usd: '0',
    });
  });

  it('is served without /v1, too', async () => {
    expect(tokensOf(await count('x'.repeat(398), {}, scene.secret, '/responses/input_tokens'))).toBe(100);
  });

  it('passes a refusal of the request on', async () => {
    const answer = await scripted({ fault: { kind: 'status', status: 400, message: 'Too odd.', param: 'input' } });
    expect(answer.status).toBe(400);
    expect(answer.error).toMatchObject({ message: 'Too odd.', param: 'input' });
    expect(answer.headers['x-tollgate-estimated']).toBeUndefined();
  });

  it.each<[string, Script]>([
    ['has an error', { fault: { kind: 'status', status: 500 } }],
    ['limits its operator', { fault: { kind: 'status', status: 429 } }],
    ['refuses the key of its operator', { fault: { kind: 'status', status: 401 } }],
    ['answers HTML', { fault: { kind: 'html', status: 200 } }],
    ['answers an error as if it were none', { fault: { kind: 'json_error_200' } }],
    ['breaks off', { fault: { kind: 'break_off' } }],
    ['does not answer', { fault: { kind: 'reset_before_headers' } }],
  ])('estimates when the upstream %s', async (_, script) => {
    const answer = await scripted(script);
    expectEstimate(answer);
    const row = await scene.gateway.row(answer.requestId);
    expect(row).toMatchObject({ outcome: 'ok', kind: 'input_tokens', cost_usd: '0' });
    expect(row.error_message).toMatch(/^estimated: /);
  });

  it('asks an upstream that does not have the route no second time', async () => {
    let asked = 0;
    const server = createServer((incoming, outgoing) => {
      asked++;
      incoming.resume();
      outgoing.writeHead(404, { 'content-type': 'application/json' }).end('{"detail":"Not Found"}');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      await modelOn(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, 'uncounted');
      const answers = [await count(TEXT, { model: 'uncounted' }), await count(TEXT, { model: 'uncounted' })];
      answers.forEach(expectEstimate);
      // Ten words, and what surrounds an item and a request.
      expect(answers.map(tokensOf)).toEqual([17, 17]);
      expect(asked).toBe(1);
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it('estimates when the upstream cannot be reached', async () => {
    await modelOn('http://127.0.0.1:9/v1', 'unreachable');
    expectEstimate(await count(TEXT, { model: 'unreachable' }));
  });

  it('keeps answering others while it estimates a large body', async () => {
    const large = count('So much to read, so little time. '.repeat(300_000), {
      instructions: directive({ fault: { kind: 'status', status: 500 } }),
    });
    let others = 0;
    const during = { isOver: false };
    void large.finally(() => (during.isOver = true));
    while (!during.isOver) {
      await fetch(`${scene.gateway.url}/livez`);
      others++;
    }
    expectEstimate(await large);
    expect(tokensOf(await large)).toBeGreaterThan(2_000_000);
    expect(others).toBeGreaterThan(5);
  });

  it.each<[string, () => Promise<Answer>, number, string]>([
    ['without a model', () => count(TEXT, { model: null }), 400, 'missing_required_parameter'],
    ['that is not JSON', () => call(scene.gateway.url, '{', { secret: scene.secret, path: PATH }), 400, 'invalid_json'],
    ['without a valid key', () => count(TEXT, {}, 'sk-tg-wrong'), 401, 'invalid_api_key'],
  ])('refuses a request %s', async (_, ask, status, code) => {
    const answer = await ask();
    expect(answer.status).toBe(status);
    expect(answer.error?.code).toBe(code);
  });

  it('refuses a model that the caller may not use', async () => {
    const { secret } = await scene.gateway.admin.issueKey({ models: ['gpt-4.1'] });
    expect((await count(TEXT, {}, secret)).error?.code).toBe('model_not_found');
  });
});
