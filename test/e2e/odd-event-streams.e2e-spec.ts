import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { type Answer, call, callBody } from '../support/responses-client.js';
import {
  COMPLETED,
  CREATED,
  DELTA,
  IN_PROGRESS,
  SSE,
  ScriptedUpstream,
  USAGE,
  WHOLE_STREAM,
} from '../support/scripted-upstream.js';
import { TestGateway } from '../support/gateway.js';

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

/** Sends the bytes in pieces, each in a packet of its own. */
async function sendInPieces(response: ServerResponse, bytes: Buffer, pieceBytes: number): Promise<void> {
  response.socket?.setNoDelay();
  response.writeHead(200, SSE);
  for (let start = 0; start < bytes.length; start += pieceBytes) {
    if (!response.write(bytes.subarray(start, start + pieceBytes))) await once(response, 'drain');
    await new Promise((resolve) => setImmediate(resolve));
  }
  response.end();
}

async function ask(stream: string | Buffer, pieceBytes = Infinity): Promise<Answer> {
  upstream.behave = (response) => void sendInPieces(response, Buffer.from(stream), pieceBytes);
  return call(gateway.url, callBody('hello'), { secret });
}

const crlf = (text: string) => text.replaceAll('\n', '\r\n');
const cr = (text: string) => text.replaceAll('\n', '\r');
const COUNTED = {
  outcome: 'ok',
  response_id: 'resp_scripted',
  input_tokens: USAGE.input_tokens,
  cached_tokens: USAGE.input_tokens_details.cached_tokens,
  output_tokens: USAGE.output_tokens,
  reasoning_tokens: USAGE.output_tokens_details.reasoning_tokens,
};
const withNul = DELTA.replace('Grüße', 'a\u0000b');

describe.each([
  ['in one piece', Infinity],
  ['in pieces of 7 bytes', 7],
  ['byte by byte', 1],
])('an upstream that sends its stream %s', (_, pieceBytes) => {
  it.each<[string, string, string]>([
    ['as OpenAI does', WHOLE_STREAM, WHOLE_STREAM],
    ['with CRLF', crlf(WHOLE_STREAM), crlf(WHOLE_STREAM)],
    ['with LF and CRLF in turns', CREATED + crlf(DELTA) + COMPLETED, CREATED + crlf(DELTA) + COMPLETED],
    ['with CR alone, which becomes LF', cr(WHOLE_STREAM), WHOLE_STREAM],
    ['behind a BOM, which is dropped', `\uFEFF${WHOLE_STREAM}`, WHOLE_STREAM],
    ['behind a BOM with CR alone', `\uFEFF${cr(WHOLE_STREAM)}`, WHOLE_STREAM],
    ['without the last blank line, which is added', WHOLE_STREAM.slice(0, -1), WHOLE_STREAM],
    ['without the last line end, which is added', WHOLE_STREAM.slice(0, -2), WHOLE_STREAM],
    ['without event lines', dataOnly(WHOLE_STREAM), dataOnly(WHOLE_STREAM)],
    ['without a space behind the colon', WHOLE_STREAM.replaceAll(': {', ':{'), WHOLE_STREAM.replaceAll(': {', ':{')],
    ['with NUL inside an event', CREATED + withNul + COMPLETED, CREATED + withNul + COMPLETED],
    ['with comments and blank lines', commented(WHOLE_STREAM), commented(WHOLE_STREAM)],
    [
      'with ids and retries',
      WHOLE_STREAM.replaceAll('event:', 'id: 7\nretry: 10\nevent:'),
      WHOLE_STREAM.replaceAll('event:', 'id: 7\nretry: 10\nevent:'),
    ],
    [
      'with an event that nobody knows',
      `${CREATED}event: acme:x\ndata: {"type":"acme:x"}\n\n${COMPLETED}`,
      `${CREATED}event: acme:x\ndata: {"type":"acme:x"}\n\n${COMPLETED}`,
    ],
  ])('%s', async (__, sent, expected) => {
    const answer = await ask(sent, pieceBytes);
    expect(answer.status).toBe(200);
    expect(answer.body.toString()).toBe(expected);
    expect(await gateway.row(answer.requestId)).toMatchObject(COUNTED);
  });
});

it('bytes that are no UTF-8 pass through, and the usage behind them counts', async () => {
  const sent = Buffer.concat([
    Buffer.from(`${CREATED}${IN_PROGRESS}data: {"type":"response.output_text.delta","delta":"`),
    Buffer.from([0xff, 0xc3, 0x28, 0xe2, 0x82]),
    Buffer.from(`"}\n\n${COMPLETED}`),
  ]);
  const answer = await ask(sent, 3);
  expect(answer.body.equals(sent)).toBe(true);
  expect(await gateway.row(answer.requestId)).toMatchObject(COUNTED);
});

it('usage of explicit zeros stays zero, and usage that is missing is not zero', async () => {
  const zero = COMPLETED.replace(JSON.stringify(USAGE), '{"input_tokens":0,"output_tokens":0,"total_tokens":0}');
  expect(await gateway.row((await ask(CREATED + zero)).requestId)).toMatchObject({ input_tokens: 0, output_tokens: 0 });
  const none = COMPLETED.replace(JSON.stringify(USAGE), 'null');
  const row = await gateway.row((await ask(CREATED + none)).requestId);
  expect(row.outcome).toBe('ok');
  expect(row.input_tokens === null || row.usage_estimated).toBe(true);
});

function dataOnly(stream: string): string {
  return stream.replaceAll(/^event: .*\n/gm, '');
}

function commented(stream: string): string {
  return `: hello\n\n\n${stream.replaceAll('event:', ': {"type":"response.completed"}\nevent:')}`;
}
