import { gzipSync } from 'node:zlib';
import type { Bench } from '../bench.js';
import type { Check } from '../check.js';
import { expectSame, expectSameBytes, expectThat } from '../expectations.js';
import { CodexSession, withoutOwn } from '../codex-session.js';
import type { Answer, ClientCall } from '../gateway-client.js';
import { LIMIT_MESSAGE, LIMITED_REQUESTS } from '../temporary-objects.js';
import { readTurn } from '../transcript.js';

/** What a refusal has to be. */
interface Refusal {
  readonly status: number;
  readonly type: string;
  readonly code: string | null;
}

function expectRefusal(answer: Answer, { status, type, code }: Refusal): void {
  expectSame('the status', answer.status, status);
  const error = answer.error();
  expectSame('the type', error.type, type);
  expectSame('the code', error.code, code);
  expectThat(answer.requestId.startsWith('req_'), 'the answer has no x-request-id');
}

/** A check of a call that the gateway refuses by itself. */
function refused(name: string, promise: string, refusal: Refusal, call: (bench: Bench) => ClientCall): Check {
  return {
    name,
    promise,
    run: async (bench) => {
      const answer = await bench.client.call(call(bench), bench.signal);
      expectRefusal(answer, refusal);
      expectSame('the status in the row', (await bench.row(answer.requestId)).status, refusal.status);
      return answer.error().message;
    },
  };
}

/** A plain turn as a single call. */
function plainCall(
  bench: Bench,
  model = bench.models.plain,
): ClientCall & { secret: string; headers: Record<string, string> } {
  const session = new CodexSession(bench, { model });
  const turn = readTurn('plain-turn');
  const body = session.bodyOf(turn);
  return { path: '/v1/responses', secret: bench.keys.main, headers: session.headersOf(turn), body };
}

const INVALID = 'invalid_request_error';

const REFUSED: readonly Check[] = [
  refused(
    'wrong-key',
    'a wrong key is answered 401 invalid_api_key',
    { status: 401, type: INVALID, code: 'invalid_api_key' },
    (bench) => ({ ...plainCall(bench), secret: `${bench.keys.main}x` }),
  ),
  refused(
    'forbidden-model',
    'a model that the group may not use is answered 403 model_not_found: Codex asks once, and shows the sentence',
    { status: 403, type: INVALID, code: 'model_not_found' },
    (bench) => plainCall(bench, 'selftest.forbidden'),
  ),
  refused(
    'unknown-route',
    'POST /v1/chat/completions is answered 404 with what to configure',
    { status: 404, type: INVALID, code: 'unknown_url' },
    (bench) => ({ ...plainCall(bench), path: '/v1/chat/completions' }),
  ),
  refused(
    'malformed-body',
    'a body that is no JSON is answered 400 invalid_json',
    { status: 400, type: INVALID, code: 'invalid_json' },
    (bench) => ({ ...plainCall(bench), body: Buffer.from('{"model":"gpt-5.5","input":') }),
  ),
  refused(
    'large-body',
    'a body that unpacks to a thousand times its size is answered 413 request_too_large',
    { status: 413, type: INVALID, code: 'request_too_large' },
    (bench) => {
      const call = plainCall(bench);
      return {
        ...call,
        headers: { ...call.headers, 'content-encoding': 'gzip' },
        body: gzipSync(Buffer.alloc(4 << 20)),
      };
    },
  ),
];

const usageLimit: Check = {
  name: 'usage-limit',
  promise: 'who has used up a plan is told until when: 429 usage_limit_reached with resets_at, and not to try again',
  run: async (bench) => {
    const session = new CodexSession(bench, { secret: bench.keys.limited });
    for (let count = 0; count < LIMITED_REQUESTS; count += 1) await session.stream(readTurn('plain-turn'));
    const answer = await session.send(readTurn('plain-turn'));
    expectRefusal(answer, { status: 429, type: 'usage_limit_reached', code: 'insufficient_quota' });
    const { resets_at: resetsAt } = answer.error();
    expectThat(Number(resetsAt) > Date.now() / 1000, `resets_at is ${String(resetsAt)}, which is not to come`);
    expectSame('x-should-retry', answer.headers['x-should-retry'], 'false');
    expectSame('x-codex-promo-message', answer.headers['x-codex-promo-message'], LIMIT_MESSAGE);
    expectSame('the outcome in the row', (await bench.row(answer.requestId)).outcome, 'limited');
    return `resets_at ${new Date(Number(resetsAt) * 1000).toISOString()}`;
  },
};

const webSocket: Check = {
  name: 'websocket',
  promise: 'a WebSocket upgrade is answered 426 at once, without a key too: Codex goes on by POST',
  run: async (bench) => {
    const headers = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'openai-beta': 'responses_websockets=2026-02-06',
    };
    for (const path of ['/v1/responses', '/responses']) {
      const answer = await bench.client.call({ path, method: 'GET', headers }, bench.signal);
      expectSame(`the status of ${path}`, answer.status, 426);
      expectSame('the code', answer.error().code, 'websocket_not_supported');
    }
    return '426 on both paths';
  },
};

const upstream429: Check = {
  name: 'upstream-429',
  promise: 'a 429 of the only provider is passed on, with a time to wait that does not freeze Codex',
  run: async (bench) => {
    const answer = await new CodexSession(bench, { model: bench.models.faulty }).send(readTurn('upstream-429'));
    expectRefusal(answer, { status: 429, type: 'rate_limit_exceeded', code: 'rate_limit_exceeded' });
    const seconds = Number(answer.headers['retry-after']);
    expectThat(seconds >= 1 && seconds <= 30, `retry-after is ${answer.headers['retry-after']}`);
    return `retry-after: ${seconds}`;
  },
};

const upstream500Once: Check = {
  name: 'upstream-500-once',
  promise: 'a 500 before the first byte is tried again, and the client does not notice',
  run: async (bench) => {
    const session = new CodexSession(bench, { model: bench.models.retried });
    const { answer } = await session.stream(readTurn('upstream-500-once'));
    const { attempts, outcome } = await bench.row(answer.requestId);
    expectSame('the attempts and the outcome in the row', [attempts, outcome], [2, 'ok']);
    return 'answered by the second try';
  },
};

const upstream500: Check = {
  name: 'upstream-500',
  promise: 'a 500 of the only provider is told as 502 upstream_error, of which Codex shows the sentence',
  run: async (bench) => {
    const answer = await new CodexSession(bench, { model: bench.models.faulty }).send(readTurn('upstream-500'));
    expectRefusal(answer, { status: 502, type: 'upstream_error', code: 'upstream_error' });
    expectSame("the provider's status in the row", (await bench.row(answer.requestId)).upstream_status, 500);
    return answer.error().message;
  },
};

const brokenStream: Check = {
  name: 'broken-stream',
  promise: 'a stream that breaks off ends by response.failed, of the same response and with the next number',
  run: async (bench) => {
    const session = new CodexSession(bench, { model: bench.models.faulty });
    const answer = await session.send(readTurn('broken-stream'));
    const events = answer.events();
    const last = events.at(-1);
    expectSame('the last event', last?.type, 'response.failed');
    expectSame('its response', last?.response?.id, events[0]?.response?.id);
    // Signs of life have none.
    const numbers = events.flatMap(({ sequence_number: number }) => number ?? []);
    expectSame('the numbers', numbers, [...numbers.keys()]);
    const [exchange] = session.exchanges;
    // Up to the last whole event: of the one that broke off nothing is told.
    const whole = exchange?.sentBytes.subarray(0, exchange.sentBytes.lastIndexOf('\n\n') + 2) ?? Buffer.alloc(0);
    expectSameBytes(
      'what came before it and what the provider sent',
      withoutOwn(answer).subarray(0, whole.length),
      whole,
    );
    expectSame('the outcome in the row', (await bench.row(answer.requestId)).outcome, 'upstream_broke_off');
    return `${events.length} events, the last of them response.failed`;
  },
};

/** What errors promise. */
export const ERROR_CHECKS: readonly Check[] = [
  ...REFUSED,
  usageLimit,
  webSocket,
  upstream429,
  upstream500Once,
  upstream500,
  brokenStream,
];
