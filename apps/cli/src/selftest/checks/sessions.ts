import type { Check } from '../check.js';
import { expectSame, expectThat } from '../expectations.js';
import { CodexSession } from '../codex-session.js';
import { readTurn, readTurns } from '../transcript.js';

const toolCalls: Check = {
  name: 'tool-calls',
  promise: 'tools are called, and their outputs come back to the provider, over three calls',
  run: async (bench) => {
    const session = new CodexSession(bench);
    let called = 0;
    for (const turn of readTurns('tool-calls')) {
      const { answer, body } = await session.stream(turn);
      called += answer.events().filter(({ type, item }) => type.endsWith('item.done') && item?.call_id).length;
      // A call that its client could not name would have left a placeholder in the body.
      expectThat(!body.includes('"undefined"'), 'an answer has lost the calls of its tools');
    }
    expectSame('the number of calls', called, 3);
    expectThat(session.exchanges.at(-1)?.body.includes('Success. Updated') ?? false, 'the last output has not arrived');
    return `${called} calls and their outputs`;
  },
};

const sealedReasoning: Check = {
  name: 'sealed-reasoning',
  promise: 'encrypted reasoning comes back to the provider that made it, unchanged',
  run: async (bench) => {
    // A provider of a pair, and the only one of both that can read what it has sealed.
    const session = new CodexSession(bench, { model: bench.models.pair });
    let seal = '';
    for (const turn of readTurns('sealed-reasoning')) {
      const { answer, body } = await session.stream(turn);
      if (seal !== '') expectThat(body.includes(seal), 'the client was told another seal');
      seal ||= String(answer.events().find(({ item }) => item?.encrypted_content)?.item?.['encrypted_content'] ?? '');
      expectThat(seal !== '', 'the answer has no encrypted_content');
    }
    return `${seal.length} characters, read again by their maker`;
  },
};

const turnState: Check = {
  name: 'turn-state',
  promise: 'x-codex-turn-state reaches the client, and the provider again',
  run: async (bench) => {
    const session = new CodexSession(bench);
    const [first, second] = readTurns('turn-state');
    if (!first || !second) throw new Error('the transcript turn-state has two turns');
    const state = (await session.stream(first)).answer.headers['x-codex-turn-state'];
    expectThat(typeof state === 'string', 'the answer has no x-codex-turn-state');
    const { answer, exchange } = await session.stream(second, { 'x-codex-turn-state': state });
    expectSame('the state at the provider', exchange.headers['x-codex-turn-state'], state);
    expectSame('the state of the next answer', answer.headers['x-codex-turn-state'], state);
    return `${state.length} characters`;
  },
};

const STICKY_CALLS = 20;

const stickiness: Check = {
  name: 'stickiness',
  promise: `all of ${STICKY_CALLS} calls of a session go to one of two providers`,
  run: async (bench) => {
    const session = new CodexSession(bench, { model: bench.models.pair });
    for (let count = 0; count < STICKY_CALLS; count += 1) await session.stream(readTurn('plain-turn'));
    expectSame('the number of calls', session.exchanges.length, STICKY_CALLS);
    expectSame('the number of providers', bench.providersOf(session.id).length, 1);
    return `${STICKY_CALLS} calls, one provider`;
  },
};

const storedResponse: Check = {
  name: 'stored-response',
  promise: 'a group can go on from its own response, read and delete it; for any other it is not there',
  run: async (bench) => {
    const { main, other } = bench.keys;
    const turn = readTurn('stored-response');
    const session = new CodexSession(bench);
    const { id } = (await session.play(turn)).answer.json<{ id: string }>();
    const path = `/v1/responses/${id}`;
    const ask = (secret: string, method: string) =>
      bench.client.call({ path, method, secret, headers: { 'x-client-request-id': session.id } }, bench.signal);
    const next = { ...turn, fields: { ...turn.fields, previous_response_id: id } };
    expectSame('the status of going on from it', (await session.send(next)).status, 200);
    expectSame('the status of reading it', (await ask(main, 'GET')).status, 200);

    const foreign = await new CodexSession(bench, { secret: other }).send(next);
    expectSame('the status for another group', foreign.status, 400);
    expectSame('the code for another group', foreign.error().code, 'previous_response_not_found');
    for (const method of ['GET', 'DELETE']) {
      expectSame(`the status of ${method} by another group`, (await ask(other, method)).status, 404);
    }
    expectSame('the status of deleting it', (await ask(main, 'DELETE')).status, 200);
    expectSame('the status of reading it then', (await ask(main, 'GET')).status, 404);
    return 'own 200, foreign 400 and 404, deleted 404';
  },
};

const modelList: Check = {
  name: 'model-list',
  promise: 'GET /v1/models has the models of the key, in the form that Codex and SDKs take',
  run: async (bench) => {
    const call = { path: '/v1/models?client_version=0.169.0', method: 'GET', secret: bench.keys.main };
    const answer = await bench.client.call(call, bench.signal);
    const list = answer.json<{ object: string; data: { id: string }[]; models: unknown }>();
    expectSame('object', list.object, 'list');
    expectSame('models', list.models, []);
    const ids = list.data.map(({ id }) => id).toSorted();
    expectSame('the names', ids, Object.values(bench.models).toSorted());
    return `${ids.length} models`;
  },
};

/** What sessions promise. */
export const SESSION_CHECKS: readonly Check[] = [
  toolCalls,
  sealedReasoning,
  turnState,
  stickiness,
  storedResponse,
  modelList,
];
