import { connect } from 'node:net';
import * as fc from 'fast-check';
import type { TestGateway } from '../support/gateway.js';
import { type Scene, startScene } from '../support/scene.js';
import { CASES, expectWell, GROWTH_BYTES_MAX, report, rssBytes, TIME_LIMIT_MS } from './fuzz-run.js';

/** A gateway that has said nothing by then waits for the rest of the request, as it may. */
const PATIENCE_MS = 150;
/** Requests that are under way at once. */
const BATCH = 10;

let scene: Scene;
let gateway: TestGateway;

beforeAll(async () => {
  scene = await startScene();
  ({ gateway } = scene);
});
afterAll(() => scene.stop());

/** The status lines of what comes back; `closed` when the gateway hung up. */
function exchange(bytes: Buffer): Promise<{ statuses: number[]; closed: boolean }> {
  return new Promise((resolve) => {
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
    let text = '';
    const finish = (closed: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ statuses: [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((match) => Number(match[1])), closed });
    };
    const timer = setTimeout(finish, PATIENCE_MS, false);
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      // One whole answer is enough: a kept-alive connection stays open.
      if (/\r\n0\r\n\r\n$|content-length: \d+\r\n[\s\S]*\r\n\r\n[\s\S]+/i.test(text)) finish(false);
    });
    socket.on('error', () => undefined);
    socket.once('close', () => finish(true));
    socket.write(bytes);
  });
}

const body = '{"model":"gpt-5.5","input":"hello"}';
const goodHeaders = (): [string, string][] => [
  ['host', 'gateway'],
  ['authorization', `Bearer ${scene.secret}`],
  ['content-type', 'application/json'],
  ['content-length', String(body.length)],
];
const anyToken = fc.oneof(
  fc.string({ unit: 'binary-ascii', maxLength: 30 }),
  fc.constantFrom(
    'content-length',
    'transfer-encoding',
    'host',
    'authorization',
    'expect',
    'connection',
    'upgrade',
    'te',
    'trailer',
    'x-request-id',
    'content-encoding',
    'cookie',
    '__proto__',
    'constructor',
  ),
);
const anyValue = fc.oneof(
  fc.string({ unit: 'binary-ascii', maxLength: 80 }),
  fc.constantFrom(
    'chunked',
    'xchunked',
    'chunked, chunked',
    '0',
    '-1',
    '5, 5',
    '1e3',
    '0x10',
    '99999999999999999999',
    '100-continue',
    'close',
    'websocket',
    'Bearer',
    'Bearer  ',
    'Bearer sk-tg-',
    'gzip',
    '\u0000',
    'a\r\n b',
    '../../etc/passwd',
  ),
  fc.integer({ min: 1, max: 40_000 }).map((chars) => 'x'.repeat(chars)),
);
const anyHead = fc.record({
  method: fc.oneof(
    { weight: 4, arbitrary: fc.constant('POST') },
    fc.constantFrom('GET', 'PUT', 'CONNECT', 'OPTIONS', 'TRACE', 'post', 'PRI', 'HEAD', 'DELETE', ''),
    fc.string({ maxLength: 8 }),
  ),
  path: fc.oneof(
    {
      weight: 4,
      arbitrary: fc.constantFrom('/v1/responses', '/responses', '/v1/models', '/v1/responses/resp_1/cancel'),
    },
    fc.constantFrom(
      '*',
      '/',
      '//',
      '/v1/%2e%2e/admin/v1/keys',
      '/v1/responses/%00',
      '/v1/responses/%zz',
      'http://evil/v1/responses',
      '/v1/responses?x=\u0000',
      '/admin/v1/keys',
      '/v1/models/%F0%9F',
    ),
    fc.string({ maxLength: 60 }).map((text) => `/${text}`),
  ),
  version: fc.oneof(
    { weight: 8, arbitrary: fc.constant('HTTP/1.1') },
    fc.constantFrom('HTTP/1.0', 'HTTP/2.0', 'HTTP/9.9', 'HTTP', ''),
  ),
  extra: fc.array(fc.tuple(anyToken, anyValue), { maxLength: 6 }),
  dropped: fc.array(fc.nat(3), { maxLength: 2 }),
  lineEnd: fc.oneof({ weight: 8, arbitrary: fc.constant('\r\n') }, fc.constantFrom('\n', '\r', '\r\r\n')),
  tail: fc.oneof({ weight: 4, arbitrary: fc.constant(body) }, fc.string({ unit: 'binary', maxLength: 200 })),
  cutAt: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { freq: 6 }),
});

type Head = typeof anyHead extends fc.Arbitrary<infer Value> ? Value : never;

function bytesOf({ method, path, version, extra, dropped, lineEnd, tail, cutAt }: Head): Buffer {
  const headers = [...goodHeaders().filter((_, index) => !dropped.includes(index)), ...extra];
  const lines = [`${method} ${path} ${version}`, ...headers.map(([name, value]) => `${name}: ${value}`), '', tail];
  const bytes = Buffer.from(lines.join(lineEnd), 'latin1');
  return cutAt === null ? bytes : bytes.subarray(0, Math.floor(cutAt * bytes.length));
}

it(
  'no request, however malformed, makes the gateway crash, hang or answer with a 5xx',
  async () => {
    const statuses: Record<string, number> = {};
    const rss: number[] = [];
    const startedAtMs = performance.now();
    const batches = Math.ceil(CASES / BATCH);
    await fc.assert(
      fc.asyncProperty(fc.array(anyHead, { minLength: BATCH, maxLength: BATCH }), async (heads) => {
        const answers = await Promise.all(heads.map((head) => exchange(bytesOf(head))));
        for (const { statuses: found, closed } of answers) {
          const [status = closed ? 'closed' : 'waiting'] = found;
          statuses[status] = (statuses[status] ?? 0) + 1;
          // 505 is HTTP's own word for a version that is not spoken.
          for (const code of found) expect(code === 505 || code < 500).toBe(true);
        }
        rss.push(rssBytes(gateway));
      }),
      { numRuns: batches },
    );
    await expectWell(gateway);
    const growth = (rss.at(-1) ?? 0) - (rss[Math.floor(rss.length / 3)] ?? 0);
    expect(growth).toBeLessThan(GROWTH_BYTES_MAX);
    report('raw_requests', {
      requests: batches * BATCH,
      ...Object.fromEntries(Object.entries(statuses).map(([status, count]) => [`status_${status}`, count])),
      seconds: Math.round((performance.now() - startedAtMs) / 1000),
      rss_growth_mib: Math.round(growth / 1024 / 1024),
    });
  },
  TIME_LIMIT_MS,
);

it.each<[string, string[]]>([
  ['both content-length and transfer-encoding', ['content-length: 5', 'transfer-encoding: chunked']],
  ['two content-lengths', ['content-length: 35', 'content-length: 35']],
  ['two hosts', ['host: other', 'content-length: 35']],
  ['two authorizations', ['authorization: Bearer x', 'content-length: 35']],
  ['a folded header', ['x-a: b\r\n c', 'content-length: 35']],
  ['a space before a colon', ['content-length : 35']],
  ['an unknown transfer-encoding', ['transfer-encoding: xchunked']],
  ['a NUL in a header', ['x-a: \u0000', 'content-length: 35']],
  ['100 KiB of headers', [`x-a: ${'a'.repeat(100_000)}`, 'content-length: 35']],
])('a request with %s reaches no upstream', async (_, headers) => {
  const before = scene.simulator.exchanges.length;
  const [, authorization, type] = goodHeaders();
  const lines = [
    'POST /v1/responses HTTP/1.1',
    'host: x',
    `authorization: ${authorization?.[1]}`,
    `content-type: ${type?.[1]}`,
  ];
  const { statuses, closed } = await exchange(Buffer.from([...lines, ...headers, '', body].join('\r\n'), 'latin1'));
  expect(closed || statuses.length > 0).toBe(true);
  for (const status of statuses) expect(status >= 400 && status < 500).toBe(true);
  expect(scene.simulator.exchanges).toHaveLength(before);
});
