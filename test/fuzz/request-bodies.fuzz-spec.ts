import { brotliCompressSync, constants, deflateSync, gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import type { Simulator } from '../../apps/simulator/src/simulator.js';
import type { TestGateway } from '../support/gateway.js';
import { call } from '../support/responses-client.js';
import { type Scene, startScene } from '../support/scene.js';
import { zstdFrame } from '../support/zstd-frame.js';
import { CASES, expectWell, GROWTH_BYTES_MAX, report, rssBytes, TIME_LIMIT_MS } from './fuzz-run.js';

let scene: Scene;
let gateway: TestGateway;
let simulator: Simulator;
let secret: string;

beforeAll(async () => {
  scene = await startScene();
  ({ gateway, simulator, secret } = scene);
});
afterAll(() => scene.stop());

const encoders: Record<string, (bytes: Buffer) => Buffer> = {
  identity: (bytes) => bytes,
  gzip: (bytes) => gzipSync(bytes),
  deflate: (bytes) => deflateSync(bytes),
  br: (bytes) => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 3 } }),
  zstd: zstdFrame,
};
const anyEncoding = fc.constantFrom('identity', 'gzip', 'deflate', 'br', 'zstd');
/** Any JSON, besides the keys that are refused on purpose. */
const anyJson = fc
  .jsonValue({ maxDepth: 5, stringUnit: 'binary' })
  .filter((value) => !/"(__proto__|constructor)":/.test(JSON.stringify(value)));
const anyCall = fc
  .record({ metadata: anyJson, text: fc.string({ unit: 'binary', maxLength: 400 }), spaces: fc.boolean() })
  .map(({ metadata, text, spaces }) => {
    const json = { model: 'gpt-5.5', metadata, input: text.replaceAll('[[sim', ''), stream: true };
    return Buffer.from(JSON.stringify(json, null, spaces ? 2 : 0));
  });
/** What goes wrong on the way, or what somebody does on purpose. */
const anyDamage = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('flip' as const), at: fc.double({ min: 0, max: 1, noNaN: true }), bit: fc.nat(7) }),
    fc.record({ kind: fc.constant('cut' as const), at: fc.double({ min: 0, max: 1, noNaN: true }) }),
    fc.record({
      kind: fc.constant('insert' as const),
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 20 }),
    }),
  ),
  { minLength: 1, maxLength: 4 },
);

type Damage = typeof anyDamage extends fc.Arbitrary<(infer Value)[]> ? Value : never;

function damaged(bytes: Buffer, damages: readonly Damage[]): Buffer {
  let result = Buffer.from(bytes);
  for (const damage of damages) {
    const at = Math.min(result.length - 1, Math.floor(damage.at * result.length));
    if (result.length === 0) return result;
    if (damage.kind === 'flip') result[at] = (result[at] ?? 0) ^ (1 << damage.bit);
    else if (damage.kind === 'cut') result = result.subarray(0, at);
    else result = Buffer.concat([result.subarray(0, at), damage.bytes, result.subarray(at)]);
  }
  return result;
}

const send = (body: Buffer, encoding: string) =>
  call(gateway.url, body, { secret, headers: encoding === 'identity' ? {} : { 'content-encoding': encoding } });

it(
  'whatever a body is encoded in, the upstream gets the client’s bytes',
  async () => {
    await fc.assert(
      fc.asyncProperty(anyCall, anyEncoding, async (body, encoding) => {
        const exchange = simulator.nextExchange();
        const answer = await send(encoders[encoding]?.(body) ?? body, encoding);
        expect(answer.status).toBe(200);
        expect((await exchange).body.equals(body)).toBe(true);
        expect((await exchange).headers).not.toHaveProperty('content-encoding');
      }),
      { numRuns: CASES },
    );
    await expectWell(gateway);
  },
  TIME_LIMIT_MS,
);

it(
  'a damaged body is the client’s mistake or harmless, never the gateway’s fault',
  async () => {
    const statuses: Record<number, number> = {};
    const rss: number[] = [];
    let slowestMs = 0;
    await fc.assert(
      fc.asyncProperty(
        anyCall,
        anyEncoding,
        fc.constantFrom('before', 'after'),
        anyDamage,
        async (body, encoding, when, damage) => {
          const encode = encoders[encoding] ?? Buffer.from;
          const sent = when === 'before' ? encode(damaged(body, damage)) : damaged(encode(body), damage);
          const startedAtMs = performance.now();
          const answer = await send(sent, encoding);
          slowestMs = Math.max(slowestMs, performance.now() - startedAtMs);
          statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
          expect(answer.status).toBeLessThan(500);
          if (answer.status >= 400)
            expect(answer.error).toMatchObject({ message: expect.any(String), type: expect.any(String) });
          rss.push(rssBytes(gateway));
        },
      ),
      { numRuns: CASES },
    );
    await expectWell(gateway);
    const growth = (rss.at(-1) ?? 0) - (rss[Math.floor(rss.length / 3)] ?? 0);
    expect(growth).toBeLessThan(GROWTH_BYTES_MAX);
    report('damaged_bodies', {
      requests: CASES,
      refused: CASES - (statuses[200] ?? 0),
      slowest_ms: Math.round(slowestMs),
      rss_growth_mib: Math.round(growth / 1024 / 1024),
    });
  },
  TIME_LIMIT_MS,
);

it.each([
  ['gzip', gzipSync(Buffer.alloc(200 * 1024 * 1024))],
  ['deflate', deflateSync(Buffer.alloc(200 * 1024 * 1024))],
  ['br', brotliCompressSync(Buffer.alloc(200 * 1024 * 1024), { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } })],
])(
  'a bomb of 200 MiB in %s is refused before it has gone off',
  async (encoding, bomb) => {
    const before = rssBytes(gateway);
    const startedAtMs = performance.now();
    const answer = await send(bomb, encoding);
    expect([400, 413, 415]).toContain(answer.status);
    expect(performance.now() - startedAtMs).toBeLessThan(3_000);
    const growth = rssBytes(gateway) - before;
    expect(growth).toBeLessThan(200 * 1024 * 1024);
    report(`bomb_${encoding}`, {
      ms: Math.round(performance.now() - startedAtMs),
      rss_growth_mib: Math.round(growth / 1024 / 1024),
    });
  },
  TIME_LIMIT_MS,
);

it.each(['gzip, br', 'gzip,'.repeat(100).slice(0, -1), 'x-unknown', 'GZIP;q=1', '\t', ''])(
  'the content-encoding %j is refused or understood, never a 5xx',
  async (encoding) => {
    const answer = await call(gateway.url, Buffer.from('{"model":"gpt-5.5","input":"x"}'), {
      secret,
      headers: { 'content-encoding': encoding },
    });
    expect(answer.status).toBeLessThan(500);
  },
);
