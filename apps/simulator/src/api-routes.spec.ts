import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { request } from 'undici';
import { Simulator } from './simulator.js';

let simulator: Simulator;

beforeAll(async () => {
  simulator = await Simulator.start({ models: ['gpt-5.5'] });
});
afterAll(() => simulator.close());

const VALID = JSON.stringify({ model: 'gpt-5.5', input: 'hi' });

async function send(method: string, path: string, body?: string | Buffer, headers: Record<string, string> = {}) {
  const answer = await request(simulator.url + path, {
    method: method as 'GET',
    headers: { connection: 'close', ...headers },
    ...(body === undefined ? {} : { body }),
  });
  const text = await answer.body.text();
  const json = (text ? JSON.parse(text) : null) as { error?: object } | null;
  return { status: answer.statusCode, headers: answer.headers, json };
}

describe('the routes', () => {
  it.each(['/v1/responses', '/responses', '/v1/responses?beta=true'])('serve POST %s', async (path) => {
    expect((await send('POST', path, VALID)).status).toBe(200);
  });

  it.each(['/v1/models', '/models?client_version=1', '/v1/models/gpt-5.5'])('serve GET %s', async (path) => {
    expect((await send('GET', path)).status).toBe(200);
  });

  it.each([
    ['POST', '/v1/responses', '{', 400, null],
    ['POST', '/v1/responses', '[]', 400, null],
    ['POST', '/v1/responses', '{}', 400, 'missing_required_parameter'],
    ['POST', '/v1/responses', '{"model":"gpt-9"}', 400, 'model_not_found'],
    ['POST', '/v1/responses', '{"model":"gpt-5.5","input":"[[sim {\\"a\\":1}]]"}', 400, 'invalid_simulator_script'],
    ['POST', '/v1/responses/compact', '{}', 400, 'missing_required_parameter'],
    ['GET', '/v1/responses/resp_unknown', undefined, 404, null],
    ['DELETE', '/v1/responses/resp_unknown', undefined, 404, null],
    ['POST', '/v1/responses/resp_unknown/cancel', undefined, 404, null],
    ['GET', '/v1/responses/resp_unknown/input_items', undefined, 404, null],
    ['GET', '/v1/models/gpt-9', undefined, 404, 'model_not_found'],
    ['POST', '/v1/chat/completions', '{}', 404, null],
    ['PUT', '/v1/responses', '{}', 405, 'method_not_supported'],
    ['GET', '/v1/responses', undefined, 426, null],
  ])('refuse %s %s %s with %i and OpenAI’s error shape', async (method, path, body, status, code) => {
    const answer = await send(method, path, body);
    expect(answer.status).toBe(status);
    expect(answer.headers['content-type']).toBe('application/json');
    const shape = { message: expect.any(String), type: 'invalid_request_error', code };
    expect(answer.json?.error).toMatchObject(shape);
    expect(Object.keys(answer.json?.error ?? {}).toSorted()).toEqual(['code', 'message', 'param', 'type']);
  });

  it.each(['/v1/responses', '/v1/models', '/'])('do not hang on HEAD %s', async (path) => {
    const answer = await send('HEAD', path);
    expect(answer.json).toBeNull();
  });

  it('carry the headers of the real service, the account’s among them', async () => {
    const { headers } = await send('POST', '/v1/responses', VALID);
    expect(headers).toMatchObject({
      'openai-model': 'gpt-5.5',
      'openai-version': '2020-10-01',
      'openai-organization': expect.any(String),
      'openai-processing-ms': expect.stringMatching(/^\d+$/),
      'x-request-id': expect.stringMatching(/^req_/),
      'x-ratelimit-remaining-tokens': expect.any(String),
      'set-cookie': expect.stringContaining('__cf_bm'),
      'x-codex-turn-state': expect.any(String),
    });
  });

  it('send a turn state back, and the scripted model header', async () => {
    const sent = { 'x-codex-turn-state': 'mine', 'x-simulator': '{"model_header":"gpt-5.5-2026-04-01"}' };
    const { headers } = await send('POST', '/v1/responses', VALID, sent);
    expect(headers['x-codex-turn-state']).toBe('mine');
    expect(headers['openai-model']).toBe('gpt-5.5-2026-04-01');
  });
});

describe('request bodies', () => {
  it.each([
    ['gzip', gzipSync(VALID)],
    ['br', brotliCompressSync(VALID)],
    ['deflate', deflateSync(VALID)],
  ])('are decoded from %s', async (encoding, body) => {
    expect((await send('POST', '/v1/responses', body, { 'content-encoding': encoding })).status).toBe(200);
  });

  it('are refused when corrupt, or of an unknown encoding', async () => {
    expect((await send('POST', '/v1/responses', VALID, { 'content-encoding': 'gzip' })).status).toBe(400);
    expect((await send('POST', '/v1/responses', VALID, { 'content-encoding': 'rot13' })).status).toBe(415);
  });

  it('are served up to 64 MiB and refused above', async () => {
    const frame = JSON.stringify({ model: 'gpt-5.5', store: false, input: '' });
    const fill = (bytes: number) => frame.replace('""', `"${'x'.repeat(bytes - frame.length)}"`);
    const limit = 64 * 1024 * 1024;
    expect((await send('POST', '/v1/responses', fill(limit))).status).toBe(200);
    expect((await send('POST', '/v1/responses', fill(limit + 1))).status).toBe(413);
    simulator.exchanges.length = 0;
  }, 60_000);
});

describe('the exchanges', () => {
  it('show what was received and sent', async () => {
    const next = simulator.nextExchange();
    await send('POST', '/v1/responses?a=b', VALID, { originator: 'codex_exec' });
    const exchange = await next;
    await exchange.closed;
    expect(simulator.exchanges.at(-1)).toBe(exchange);
    expect(exchange).toMatchObject({ method: 'POST', path: '/v1/responses?a=b', status: 200, closedBy: 'server' });
    expect(exchange.headers['originator']).toBe('codex_exec');
    expect(exchange.body.toString()).toBe(VALID);
    expect(JSON.parse(exchange.sentBytes.toString())).toMatchObject({ id: exchange.responseId });
    const summaries = (await (await fetch(`${simulator.url}/simulator/exchanges`)).json()) as object[];
    expect(summaries.at(-1)).toMatchObject({ body: VALID, closed_by: 'server', sent_bytes: exchange.sentBytes.length });
  });

  it('are not kept without recordRequests, while the totals stay exact', async () => {
    const other = await Simulator.start({ recordRequests: false });
    const next = other.nextExchange();
    await (await fetch(`${other.baseUrl}/responses`, { method: 'POST', body: VALID })).text();
    expect((await next).sentBytes.length).toBe(0);
    expect(other.exchanges).toEqual([]);
    expect(other.ledger.totals.overall.responses).toBe(1);
    await other.close();
  });

  it('are bounded to the last 1000', async () => {
    const other = await Simulator.start();
    const get = async (path: string) => (await fetch(other.url + path)).arrayBuffer();
    for (let batch = 0; batch < 10; batch += 1) await Promise.all(Array.from({ length: 101 }, () => get('/models')));
    await get('/models/last');
    expect(other.exchanges).toHaveLength(1000);
    expect(other.exchanges.at(-1)?.path).toBe('/models/last');
    await other.close();
  });
});
