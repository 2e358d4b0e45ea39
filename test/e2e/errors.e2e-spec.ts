import { connect } from 'node:net';
import { once } from 'node:events';
import { makeSecret } from '../../libs/keys/src/key-secret.js';
import type { Issued } from '../support/admin-client.js';
import { TestGateway } from '../support/gateway.js';
import { type Answer, call, callBody, type CallOptions } from '../support/responses-client.js';
import { type Scene, startScene } from '../support/scene.js';

let scene: Scene;
let gateway: TestGateway;
let issued: Issued;

beforeAll(async () => {
  scene = await startScene({ models: ['gpt-5.5', 'gpt-5*-codex'] });
  ({ gateway, issued } = scene);
});
afterAll(() => scene.stop());

interface Expected {
  status: number;
  type: string;
  code: string;
  param?: string | null;
  outcome: string;
}

async function expectRefusal(answer: Answer, expected: Expected): Promise<void> {
  const { outcome, status, ...error } = expected;
  expect(answer.status).toBe(status);
  expect(answer.headers['content-type']).toBe('application/json');
  expect(answer.requestId).toMatch(/^req_[0-9a-f]{32}$/);
  expect(answer.error).toMatchObject({ param: null, ...error });
  const fields = Object.keys(answer.error ?? {}).filter((name) => name !== 'rule');
  expect(fields.toSorted()).toEqual(['code', 'message', 'param', 'type']);
  expect(answer.error?.message).toMatch(/[.]$/);
  expect(await gateway.row(answer.requestId)).toMatchObject({
    status,
    outcome,
    error_code: expected.code,
    settlement: 'final',
    input_tokens: 0,
    cost_usd: '0',
  });
}

const invalid = (status: number, code: string, outcome = 'client_error', param: string | null = null): Expected => ({
  status,
  type: 'invalid_request_error',
  code,
  param,
  outcome,
});

describe('a request without a valid key', () => {
  it.each<[string, () => CallOptions]>([
    ['no key', () => ({})],
    ['an empty bearer', () => ({ headers: { authorization: 'Bearer ' } })],
    ['another scheme', () => ({ headers: { authorization: `Basic ${issued.secret}` } })],
    ['a malformed key', () => ({ secret: 'sk-tg-short' })],
    ['a foreign key', () => ({ secret: 'sk-proj-0123456789' })],
    ['a wrong checksum', () => ({ secret: `${issued.secret.slice(0, -1)}${issued.secret.endsWith('0') ? '1' : '0'}` })],
    ['an unknown key', () => ({ secret: makeSecret() })],
  ])('is answered 401: %s', async (_, options) => {
    const answer = await call(gateway.url, callBody('hi'), options());
    await expectRefusal(answer, invalid(401, 'invalid_api_key', 'unauthenticated'));
  });

  it('is answered 401 as well on every other route that needs a key', async () => {
    for (const path of ['/v1/models', '/models', '/v1/models/gpt-5.5']) {
      const answer = await call(gateway.url, null, { method: 'GET', path });
      await expectRefusal(answer, invalid(401, 'invalid_api_key', 'unauthenticated'));
    }
  });

  it('is refused before its body is read', async () => {
    const { hostname, port } = new URL(gateway.url);
    const socket = connect(Number(port), hostname);
    // A body of 60 MB is announced, and never sent.
    socket.write('POST /v1/responses HTTP/1.1\r\nhost: x\r\ncontent-length: 60000000\r\n\r\n{');
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    expect(chunk.toString()).toMatch(/^HTTP\/1\.1 401 /);
    socket.destroy();
  });

  it('is answered 401 when the key has expired or was revoked, with the same words', async () => {
    const expiring = await gateway.admin.create<{ id: string; secret: string }>('/keys', {
      name: 'expired',
      group_id: issued.group.id,
      expires_at: '2020-01-01T00:00:00Z',
    });
    const { key, secret } = await gateway.admin.issueKey();
    await gateway.admin.post(`/keys/${key.id}/revoke`);
    const messages = [];
    for (const presented of [expiring.secret, secret, makeSecret()]) {
      const answer = await call(gateway.url, callBody('hi'), { secret: presented });
      await expectRefusal(answer, invalid(401, 'invalid_api_key', 'unauthenticated'));
      messages.push(answer.error?.message);
    }
    expect(new Set(messages).size).toBe(1);
  });
});

describe('a request that is not allowed or not understood', () => {
  const send = (body: string | Buffer | null, options: CallOptions = {}) =>
    call(gateway.url, body, { secret: issued.secret, ...options });

  it('is answered 403 for a model outside the group, and told which it may use', async () => {
    const answer = await send(callBody('hi', { model: 'gpt-4' }));
    await expectRefusal(answer, invalid(403, 'model_not_found', 'forbidden', 'model'));
    expect(answer.error?.message).toContain('Use one of: gpt-5.5.');
    expect(await gateway.row(answer.requestId)).toMatchObject({ model: 'gpt-4', key_id: issued.key.id });
  });

  it('may use a model that a pattern of its group matches', async () => {
    expect((await send(callBody('hi', { model: 'gpt-5.2-codex' }))).status).toBe(200);
  });

  it.each([
    ['malformed JSON', '{"model":"gpt-5.5",', 'invalid_json', null],
    ['no body', null, 'invalid_json', null],
    ['an array', '[]', 'invalid_json', null],
    ['a model that stands twice', '{"model":"gpt-5.5","model":"gpt-4"}', 'invalid_json', null],
    ['no model', '{"input":"hi"}', 'missing_required_parameter', 'model'],
    ['a model that is a number', '{"model":5}', 'invalid_type', 'model'],
    ['a stream that is a word', '{"model":"gpt-5.5","stream":"yes"}', 'invalid_type', 'stream'],
  ])('is answered 400: %s', async (_, body, code, param) => {
    await expectRefusal(await send(body), invalid(400, code, 'client_error', param));
  });

  it.each([
    ['POST', '/v1/chat/completions', 'wire_api = "responses"'],
    ['POST', '/chat/completions', 'wire_api = "responses"'],
    ['POST', '/v1/completions', '/v1/responses'],
    ['POST', '/api/v1/responses', 'POST /v1/responses'],
    ['GET', '/v1/unknown?key=secret', 'POST /v1/responses'],
    ['GET', '/v1/%zz', 'POST /v1/responses'],
  ])('is answered 404 on %s %s, and told the right route', async (method, path, advice) => {
    const answer = await send(method === 'GET' ? null : '{}', { method, path });
    await expectRefusal(answer, invalid(404, 'unknown_url'));
    expect(answer.error?.message).toContain(advice);
    expect((await gateway.row(answer.requestId)).route).toBe(`${method} ${path.split('?')[0]?.replace('%', '%25')}`);
  });

  it('is answered 413 when its body is larger than 64 MiB', async () => {
    const body = Buffer.alloc(64 * 1024 * 1024 + 1, ' ');
    await expectRefusal(await send(body), invalid(413, 'request_too_large'));
  });

  it.each(['compress', 'gzip, gzip', 'gzip, identity'])(
    'is answered 415 when its body is encoded as %s',
    async (encoding) => {
      const answer = await send('x', { headers: { 'content-encoding': encoding } });
      await expectRefusal(answer, invalid(415, 'unsupported_content_encoding'));
      expect(answer.headers['accept-encoding']).toBe('zstd, gzip, br, deflate');
    },
  );

  it.each([
    ['GET', '/v1/responses'],
    ['HEAD', '/v1/responses'],
    ['HEAD', '/responses'],
    ['DELETE', '/responses/'],
  ])('is answered 405 on %s %s, and 401 without a key, as `codex doctor` expects', async (method, path) => {
    const answer = await send(null, { method, path });
    expect(answer.status).toBe(405);
    expect(answer.headers.allow).toBe('POST');
    expect(await gateway.row(answer.requestId)).toMatchObject({ status: 405, error_code: 'method_not_allowed' });
    expect((await call(gateway.url, null, { method, path })).status).toBe(401);
  });

  it('stores texts that PostgreSQL cannot hold in a form that it can', async () => {
    const answer = await send('{"model":"a\\u0000b\\ud800"}');
    expect(answer.status).toBe(403);
    expect((await gateway.row(answer.requestId)).model).toBe('a\uFFFDb\uFFFD');
  });
});

describe('a WebSocket upgrade', () => {
  it.each(['/v1/responses', '/responses', '/anything'])(
    'of %s is answered 426 at once, with or without a key',
    async (path) => {
      const answer = await upgrade(path);
      expect(answer).toMatch(/^HTTP\/1\.1 426 /);
      expect(answer).toContain('"code":"websocket_not_supported"');
      const requestId = /x-request-id: (\S+)/.exec(answer)?.[1] ?? '';
      expect(await gateway.row(requestId)).toMatchObject({ status: 426, kind: 'websocket', outcome: 'client_error' });
    },
  );

  /** By hand: HTTP clients keep these headers to themselves. */
  async function upgrade(path: string): Promise<string> {
    const { hostname, port } = new URL(gateway.url);
    const socket = connect(Number(port), hostname);
    socket.write(
      `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`,
    );
    let text = '';
    for await (const chunk of socket) {
      text += String(chunk);
      if (text.includes('}}')) break;
    }
    return text;
  }
});

describe('bytes that are no request', () => {
  it.each([
    ['GET / HTTP/1.1\r\nbad header\r\n\r\n', 400],
    [`GET /v1/models HTTP/1.1\r\nhost: x\r\nx: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
    ['POST /v1/responses HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n', 400],
  ])('are answered in the same shape', async (bytes, status) => {
    const { hostname, port } = new URL(gateway.url);
    const socket = connect(Number(port), hostname);
    socket.write(bytes);
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(text).toMatch(/x-request-id: req_[0-9a-f]{32}/);
    expect(JSON.parse(text.split('\r\n\r\n')[1] ?? '')).toMatchObject({
      error: { code: 'invalid_request', param: null },
    });
  });
});

describe('no upstream', () => {
  it('is answered 503 with a time to come back', async () => {
    const lonely = await TestGateway.start();
    try {
      const { secret } = await lonely.admin.issueKey();
      const answer = await call(lonely.url, callBody('hi'), { secret });
      expect(answer.status).toBe(503);
      expect(answer.error).toMatchObject({ type: 'server_is_overloaded', code: 'server_is_overloaded' });
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
      expect(await lonely.row(answer.requestId)).toMatchObject({ status: 503, outcome: 'upstream_error', attempts: 0 });
    } finally {
      await lonely.stop();
    }
  });
});
