import type { Check } from '../check.js';
import { CheckSkipped, expectSame, expectSameBytes, expectThat } from '../expectations.js';
import { CodexSession, withoutOwn } from '../codex-session.js';
import { readTurn, readTurns } from '../transcript.js';

/** Turns of which every byte has to arrive, in both directions. */
interface Streamed extends Pick<Check, 'name' | 'promise'> {
  readonly transcript: string;
}

const STREAMED: readonly Streamed[] = [
  { name: 'plain-turn', transcript: 'plain-turn', promise: 'a turn streams byte for byte, in both directions' },
  {
    name: 'odd-chunks',
    transcript: 'odd-chunks',
    promise: 'the same when bytes come in pieces, cut inside of characters',
  },
  {
    name: 'unknown-parts',
    transcript: 'unknown-parts',
    promise: 'unknown fields, items, tools and events pass unchanged',
  },
];
const LARGE = { name: 'large-event', transcript: 'large-event', promise: 'events of 8 MB pass unchanged' };

const streamed = ({ name, promise, transcript }: Streamed): Check => ({
  name,
  promise,
  run: async (bench) => {
    const session = new CodexSession(bench);
    let [bytes, events] = [0, 0];
    for (const turn of readTurns(transcript)) {
      const { answer, exchange } = await session.stream(turn);
      bytes += answer.body.length;
      events += exchange.eventsSent;
    }
    return `${events} events, ${bytes} bytes`;
  },
});

const withoutPrefix: Check = {
  name: 'without-v1',
  promise: 'POST /responses works as well as POST /v1/responses: Codex never adds the /v1',
  run: async (bench) => {
    const session = new CodexSession(bench);
    const turn = readTurn('plain-turn');
    const body = session.bodyOf(turn);
    const call = { path: '/responses', secret: bench.keys.main, headers: session.headersOf(turn), body };
    const answer = await bench.client.call(call, bench.signal);
    expectSame('the status', answer.status, 200);
    expectSameBytes(
      'the answer and the one that the provider sent',
      withoutOwn(answer),
      session.exchanges[0]?.sentBytes ?? Buffer.alloc(0),
    );
    return `${answer.body.length} bytes`;
  },
};

const jsonAnswer: Check = {
  name: 'json-answer',
  promise: 'an answer in one piece passes byte for byte',
  run: async (bench) => {
    const { answer } = await new CodexSession(bench).play(readTurn('json-answer'), {
      accept: 'application/json',
    });
    expectSame('the content type', answer.headers['content-type']?.split(';')[0], 'application/json');
    return `${answer.body.length} bytes`;
  },
};

/** In what time a provider has to learn that its client has left. */
const LEAVING_MS_MAX = 2_000;

const clientLeaves: Check = {
  name: 'client-leaves',
  promise: 'when a client hangs up, the provider is hung up on within 2 s; the row says client_left',
  run: async (bench) => {
    const session = new CodexSession(bench);
    const { answer } = await session.open(readTurn('client-leaves'));
    expectThat(await answer.has('response.output_text.delta'), 'the answer ended before its first words');
    const [exchange] = session.exchanges;
    const limitMs = LEAVING_MS_MAX * bench.patience;
    const leftAtMs = performance.now();
    answer.leave();
    await Promise.race([exchange?.closed, new Promise((resolve) => setTimeout(resolve, limitMs).unref())]);
    expectThat(
      exchange?.closedAtMs !== null,
      `the provider still answers ${limitMs / 1000} s after its client has left`,
    );
    const { outcome } = await bench.row(answer.requestId);
    expectSame('the outcome in the row', outcome, 'client_left');
    return `${Math.round((exchange?.closedAtMs ?? 0) - leftAtMs)} ms`;
  },
};

/** More would not fit into a run. */
const KEEP_ALIVE_SECONDS_MAX = 20;
/** What a busy machine may need besides. */
const KEEP_ALIVE_LATE_MS_MAX = 3_000;

const keepAlive: Check = {
  name: 'keep-alive',
  promise: 'while a provider says nothing, Codex gets a sign of life that resets its idle timer',
  run: async (bench) => {
    const { keepAliveSeconds: seconds, signal } = bench;
    if (seconds > KEEP_ALIVE_SECONDS_MAX) {
      throw new CheckSkipped(`a silence of ${seconds} s does not fit into a run, ${KEEP_ALIVE_SECONDS_MAX} s would`);
    }
    const session = new CodexSession(bench);
    const silentAtMs = performance.now();
    const { answer } = await session.open(readTurn('keep-alive'));
    const patience = AbortSignal.any([
      signal,
      AbortSignal.timeout(seconds * 1000 + KEEP_ALIVE_LATE_MS_MAX * bench.patience),
    ]);
    const isAlive = await Promise.race([
      answer.has('data: {"type":"keepalive"'),
      new Promise<false>((resolve) => patience.addEventListener('abort', () => resolve(false), { once: true })),
    ]);
    const ms = Math.round(performance.now() - silentAtMs);
    bench.release();
    await answer.whole();
    expectThat(
      isAlive,
      `nothing came in ${ms} ms of silence; if SSE_KEEP_ALIVE_SECONDS is not ${seconds}, say --keep-alive-seconds`,
    );
    expectSameBytes(
      'the rest of the answer and what the provider sent',
      withoutOwn(answer),
      session.exchanges[0]?.sentBytes ?? Buffer.alloc(0),
    );
    return `after ${ms} ms`;
  },
};

/** What streams and answers in one piece promise. */
export const STREAMING_CHECKS: readonly Check[] = [
  ...STREAMED.map(streamed),
  withoutPrefix,
  jsonAnswer,
  clientLeaves,
  keepAlive,
];
/** The same of what keeps a small machine busy, so that others would be late. */
export const LARGE_CHECKS: readonly Check[] = [streamed(LARGE)];
