import type { Simulator } from '../../apps/simulator/src/simulator.js';
import { ADMIN_TOKEN, type TestGateway } from '../support/gateway.js';
import { sendRaw } from '../support/raw-socket.js';
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

const CALL = callBody('hi', { stream: false });

/** A call by hand: what is said of it is put in place of, or behind, what a client would send. */
function request(
  fields: string[],
  body = CALL,
  { first = 'POST /v1/responses HTTP/1.1', host = 'host: x' } = {},
): string {
  const head = [first, host, `authorization: Bearer ${secret}`, 'content-type: application/json', ...fields];
  return `${head.filter((line) => line !== '').join('\r\n')}\r\n\r\n${body}`;
}

const sized = (body = CALL) => `content-length: ${Buffer.byteLength(body)}`;
const chunked = (body = CALL, size = Buffer.byteLength(body).toString(16)) => `${size}\r\n${body}\r\n0\r\n\r\n`;
/** What a second reader of the same bytes could take for a request of its own. */
const smuggled = () => `GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${secret}\r\n\r\n`;

describe('a request that two readers may understand in two ways', () => {
  it.each<[string, () => string]>([
    ['a length and chunks', () => request([sized(), 'transfer-encoding: chunked'], chunked())],
    ['chunks and a length', () => request(['transfer-encoding: chunked', 'content-length: 4'], chunked() + smuggled())],
    ['two lengths', () => request([sized(), 'content-length: 1'])],
    ['the same length twice', () => request([sized(), sized()])],
    ['a list of lengths', () => request([`${sized()}, ${CALL.length}`])],
    ['a length with a sign', () => request([`content-length: +${CALL.length}`])],
    ['an unknown transfer encoding', () => request(['transfer-encoding: xchunked'], chunked())],
    ['chunks that are not last', () => request(['transfer-encoding: chunked, gzip'], chunked())],
    ['two transfer encodings', () => request(['transfer-encoding: chunked', 'transfer-encoding: identity'], chunked())],
    ['a folded header', () => request([sized(), 'x-a: b', ' transfer-encoding: chunked'])],
    ['a space before the colon', () => request([`content-length : ${CALL.length}`])],
    ['bare line feeds', () => request([sized()]).replaceAll('\r\n', '\n')],
    ['a NUL in a header', () => request([sized(), 'x-a: b\0c'])],
    ['a header of 20 KiB', () => request([sized(), `x-a: ${'a'.repeat(20_480)}`])],
    [
      'a chunk extension of 64 KiB',
      () => request(['transfer-encoding: chunked'], chunked(CALL, `${CALL.length.toString(16)};${'a'.repeat(65_536)}`)),
    ],
    ['a chunk size that is no number', () => request(['transfer-encoding: chunked'], chunked(CALL, '0x5'))],
    ['no host', () => request([sized()], CALL, { host: '' })],
    ['two hosts', () => request([sized(), 'Host: y'])],
    ['the same host twice', () => request([sized(), 'host: x'])],
    ['two keys', () => request([sized(), 'authorization: Bearer sk-tg-other'])],
    ['two content types', () => request([sized(), 'content-type: text/plain'])],
    ['a version that does not exist', () => request([sized()], CALL, { first: 'POST /v1/responses HTTP/1.7' })],
    ['an expectation', () => request([sized(), 'expect: 100-continue'])],
  ])('is refused in the contract’s shape and reaches no upstream: %s', async (_, bytes) => {
    const before = simulator.exchanges.length;
    const answer = await sendRaw(gateway.url, bytes());
    expect(String(answer.status)).toMatch(/^4\d\d$/);
    expect(answer.headers['content-type']).toBe('application/json');
    expect(answer.headers['x-request-id']).toMatch(/^req_[0-9a-f]{32}$/);
    const { error } = JSON.parse(answer.body) as { error: object };
    expect(error).toMatchObject({ type: 'invalid_request_error', param: null, message: expect.stringMatching(/[.]$/) });
    expect(answer.answers).toBe(1);
    expect(simulator.exchanges).toHaveLength(before);
  });

  it('is refused by the name of the header that came twice, and logged', async () => {
    for (const [field, name] of [
      ['Host: y', 'host'],
      ['Authorization: Bearer x', 'authorization'],
      ['Content-Type: text/plain', 'content-type'],
    ] as const) {
      const answer = await sendRaw(gateway.url, request([sized(), field]));
      expect(answer.status).toBe(400);
      expect(answer.body).toContain(`The header '${name}' was sent more than once.`);
      expect(await gateway.row(answer.headers['x-request-id'] ?? null)).toMatchObject({
        status: 400,
        error_code: 'invalid_request',
        outcome: 'client_error',
      });
    }
  });

  it('is answered 417 when it expects something, not 100, and logged', async () => {
    for (const expectation of ['100-continue', 'something-else']) {
      const answer = await sendRaw(gateway.url, request([sized(), `expect: ${expectation}`], ''), {
        untilClosed: true,
      });
      expect(answer).toMatchObject({ status: 417, answers: 1 });
      expect(JSON.parse(answer.body)).toMatchObject({ error: { code: 'expectation_failed' } });
      expect(await gateway.row(answer.headers['x-request-id'] ?? null)).toMatchObject({ status: 417 });
    }
  });

  it('is refused on the admin API as well, as a problem', async () => {
    const head = `POST /admin/v1/groups HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${ADMIN_TOKEN}\r\n`;
    for (const [fields, status] of [
      ['host: y\r\n', 400],
      ['authorization: Bearer other\r\n', 400],
      ['expect: 100-continue\r\n', 417],
    ] as const) {
      const answer = await sendRaw(gateway.url, `${head}${fields}content-length: 2\r\n\r\n{}`);
      expect(answer.status).toBe(status);
      expect(answer.headers['content-type']).toBe('application/problem+json');
      expect(JSON.parse(answer.body)).toMatchObject({ status, request_id: expect.stringMatching(/^req_/) });
    }
  });

  it('is taken when it is merely unusual, and the upstream gets a plain one', async () => {
    for (const bytes of [
      request(['Transfer-Encoding: Chunked'], chunked()),
      request([sized()], CALL, { first: 'POST http://x/v1/responses HTTP/1.1' }),
      request([sized(), 'connection: x-secret, keep-alive', 'x-secret: 1', 'te: trailers', 'cookie: a=b']),
    ]) {
      const exchange = simulator.nextExchange();
      expect((await sendRaw(gateway.url, bytes)).status).toBe(200);
      const { body, headers } = await exchange;
      expect(body.toString()).toBe(CALL);
      expect(headers).toMatchObject({ 'content-length': String(CALL.length) });
      for (const name of ['transfer-encoding', 'x-secret', 'te', 'cookie']) expect(headers).not.toHaveProperty(name);
    }
  });
});

describe('a URL that is another way to write a route', () => {
  it.each([
    '/v1%2Fresponses',
    '/v1/response%73',
    '/%76%31/responses',
    '/v1/%2e%2e/v1/responses',
    '/v1/%2E/responses',
    '/v1/../v1/responses',
    '/v1//responses',
    '/v1/responses%00',
    '/V1/responses',
  ])('does not lead there: %s', async (path) => {
    const answer = await sendRaw(gateway.url, request([sized()], CALL, { first: `POST ${path} HTTP/1.1` }));
    expect(answer.status).toBe(404);
    expect(JSON.parse(answer.body)).toMatchObject({ error: { code: 'unknown_url' } });
  });

  it.each(['/admin/%761/keys', '/%61dmin/v1/keys', 'http://x/admin/v1/keys', '/admin/v1/keys#', '/admin/v1%2Fkeys'])(
    'does not lead past the admin token, with or without a key: %s',
    async (path) => {
      for (const key of [`authorization: Bearer ${secret}\r\n`, '']) {
        const answer = await sendRaw(gateway.url, `GET ${path} HTTP/1.1\r\nhost: x\r\n${key}\r\n`);
        expect([401, 404]).toContain(answer.status);
        expect(answer.body).not.toContain('"data"');
      }
    },
  );

  it('but a model’s name may hold a slash', async () => {
    const answer = await call(gateway.url, null, { method: 'GET', path: '/v1/models/org%2Fmodel', secret });
    expect(JSON.parse(answer.body.toString())).toMatchObject({ id: 'org/model' });
  });
});
