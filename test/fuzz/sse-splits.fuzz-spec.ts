import type { ServerResponse } from 'node:http';
import * as fc from 'fast-check';
import { eventually } from '../support/eventually.js';
import { TestGateway } from '../support/gateway.js';
import { call, callBody } from '../support/responses-client.js';
import { COMPLETED, CREATED, event, IN_PROGRESS, ScriptedUpstream, SSE, USAGE } from '../support/scripted-upstream.js';
import { CASES, expectWell, GROWTH_BYTES_MAX, report, rssBytes, TIME_LIMIT_MS } from './fuzz-run.js';

let gateway: TestGateway;
let upstream: ScriptedUpstream;
let secret: string;

beforeAll(async () => {
  [gateway, upstream] = await Promise.all([TestGateway.start(), ScriptedUpstream.start()]);
  ({ secret } = await gateway.admin.issueKey({ upstreamBaseUrl: upstream.url }));
});
afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});

const anyText = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.constantFrom(
    '',
    'response.completed',
    '\ndata: {"type":"response.completed"}',
    '"usage":{"input_tokens":9}',
    '🌍\u2028',
  ),
  fc.integer({ min: 60_000, max: 140_000 }).map((chars) => 'x'.repeat(chars)),
);
/** Between response.created and response.completed anything may come. */
const anyEvent = fc.oneof(
  { weight: 6, arbitrary: anyText.map((delta) => event('response.output_text.delta', { sequence_number: 2, delta })) },
  anyText.map((text) => `: ${text.replaceAll(/[\r\n]/g, ' ')}\n\n`),
  fc.constantFrom('\n', 'event: ping\n\n', 'id: 1\nretry: 5\ndata: {"type":"acme:x"}\n\n', IN_PROGRESS),
  fc.constant('event: keepalive\ndata: {"type":"keepalive","sequence_number":2}\n\n'),
  fc.constant('data: {"type":"response.output_text.delta",\ndata: "delta":"two lines"}\n\n'),
);
const anyStream = fc.record({
  events: fc.array(anyEvent, { maxLength: 12 }),
  lineEnd: fc.constantFrom('\n', '\n', '\r\n', '\r'),
  bom: fc.boolean(),
  /** Bytes missing at the end. */
  short: fc.constantFrom(0, 0, 1, 2),
  done: fc.boolean(),
});
/** Where the bytes are cut, as shares of their length, and what they are cut into there. */
const anyCuts = fc.oneof(
  fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 12 }),
  fc.constantFrom(1, 2, 3, 7).map((pieceBytes) => ({ pieceBytes })),
);

type AnyStream = typeof anyStream extends fc.Arbitrary<infer Value> ? Value : never;
type AnyCuts = typeof anyCuts extends fc.Arbitrary<infer Value> ? Value : never;

function bytesOf({ events, lineEnd, bom, short, done }: AnyStream): Buffer {
  const whole = `${CREATED}${events.join('')}${COMPLETED}${done ? 'data: [DONE]\n\n' : ''}`;
  const cut = done ? whole : whole.slice(0, whole.length - short);
  return Buffer.from((bom ? '\uFEFF' : '') + cut.replaceAll('\n', lineEnd));
}

function piecesOf(bytes: Buffer, cuts: AnyCuts): Buffer[] {
  const positions = Array.isArray(cuts)
    ? cuts.map((share) => Math.round(share * bytes.length)).toSorted((a, b) => a - b)
    : // A long stream in single bytes would take a minute: only its ends are cut that finely.
      Array.from({ length: 150 }, (_, index) => [index * cuts.pieceBytes, bytes.length - index * cuts.pieceBytes])
        .flat()
        .filter((position) => position > 0 && position < bytes.length)
        .toSorted((a, b) => a - b);
  return [0, ...positions]
    .map((start, index) => bytes.subarray(start, positions[index]))
    .filter(({ length }) => length > 0);
}

async function send(response: ServerResponse, pieces: readonly Buffer[]): Promise<void> {
  response.socket?.setNoDelay();
  response.writeHead(200, SSE);
  for (const piece of pieces) {
    response.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  response.end();
}

async function ask(pieces: readonly Buffer[]): Promise<{ body: Buffer; requestId: string }> {
  upstream.behave = (response) => void send(response, pieces);
  return call(gateway.url, callBody('hello'), { secret });
}

it(
  'however the upstream’s bytes are split, the client reads the same bytes and the row tells the same usage',
  async () => {
    let count = 0;
    let bytesTotal = 0;
    const rss: number[] = [];
    const startedAtMs = performance.now();
    await fc.assert(
      fc.asyncProperty(anyStream, anyCuts, async (stream, cuts) => {
        const bytes = bytesOf(stream);
        const whole = await ask([bytes]);
        const split = await ask(piecesOf(bytes, cuts));
        expect(split.body.toString()).toBe(whole.body.toString());
        // What is legal passes byte for byte.
        if (stream.lineEnd !== '\r' && !stream.bom && (stream.short === 0 || stream.done)) {
          expect(split.body.equals(bytes)).toBe(true);
        }
        count += 2;
        bytesTotal += bytes.length * 2;
        if (count % 50 === 0) rss.push(rssBytes(gateway));
      }),
      { numRuns: CASES },
    );
    const rows = await eventually('all rows', async () => {
      const found = await gateway.database.query<{ rows: string; odd: string }>(
        `SELECT count(*) AS rows, count(*) FILTER (WHERE NOT (outcome = 'ok' AND input_tokens = $1 AND output_tokens = $2)) AS odd
         FROM request_log WHERE kind = 'response'`,
        [USAGE.input_tokens, USAGE.output_tokens],
      );
      return Number(found[0]?.rows) >= count ? found[0] : undefined;
    });
    expect(rows).toMatchObject({ odd: '0' });
    await expectWell(gateway);
    const growth = (rss.at(-1) ?? 0) - (rss[Math.floor(rss.length / 3)] ?? 0);
    expect(growth).toBeLessThan(GROWTH_BYTES_MAX);
    report('sse_splits', {
      requests: count,
      mib: Math.round(bytesTotal / 1024 / 1024),
      seconds: Math.round((performance.now() - startedAtMs) / 1000),
      rss_growth_mib: Math.round(growth / 1024 / 1024),
    });
  },
  TIME_LIMIT_MS,
);
