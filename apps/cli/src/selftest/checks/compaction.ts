import type { Check } from '../check.js';
import { expectSame, expectThat } from '../expectations.js';
import { CodexSession } from '../codex-session.js';
import type { Item } from '../gateway-client.js';
import { readTurn, readTurns } from '../transcript.js';

const isCompaction = ({ type }: Item) => type === 'compaction';

const endpoint: Check = {
  name: 'compact-endpoint',
  promise: 'POST /v1/responses/compact, as Codex 0.118 asks: a compaction comes back, and the session goes on from it',
  run: async (bench) => {
    const session = new CodexSession(bench);
    const [first, compact, next] = readTurns('compact-endpoint');
    if (!first || !compact || !next) throw new Error('the transcript compact-endpoint has three turns');
    await session.stream(first);
    const { answer } = await session.play(compact);
    const { object, output } = answer.json<{ object: string; output: Item[] }>();
    expectSame('object', object, 'response.compaction');
    expectSame('the number of compaction items', output.filter(isCompaction).length, 1);
    session.goOnFrom(output);
    const { body } = await session.stream(next);
    expectThat(body.includes('encrypted_content'), 'the session did not go on from the compaction');
    expectSame('the kind in the row', (await bench.row(answer.requestId)).kind, 'compaction');
    return `${output.length} items`;
  },
};

const trigger: Check = {
  name: 'compaction-trigger',
  promise: 'a compaction_trigger, as Codex 0.169 asks: exactly one compaction item, and the session goes on from it',
  run: async (bench) => {
    const session = new CodexSession(bench);
    const [first, compact, next] = readTurns('compaction-trigger');
    if (!first || !compact || !next) throw new Error('the transcript compaction-trigger has three turns');
    await session.stream(first);
    const { answer } = await session.stream(compact);
    const done = answer.events().flatMap(({ type, item }) => (type.endsWith('item.done') && item ? [item] : []));
    expectSame(
      'the types of the output',
      done.map(({ type }) => type),
      ['compaction'],
    );
    session.goOnFrom(done);
    await session.stream(next);
    expectSame('the form in the row', (await bench.row(answer.requestId)).compaction?.form, 'trigger');
    return 'one item, and the session went on';
  },
};

const threshold: Check = {
  name: 'compaction-threshold',
  promise: 'context_management: behind the answer comes a compaction once the input has passed the threshold',
  run: async (bench) => {
    const { answer } = await new CodexSession(bench).stream(readTurn('compaction-threshold'));
    const done = answer.events().flatMap(({ type, item }) => (type.endsWith('item.done') && item ? [item] : []));
    expectSame(
      'the types of the output',
      done.map(({ type }) => type),
      ['message', 'compaction'],
    );
    expectSame('the form in the row', (await bench.row(answer.requestId)).compaction?.form, 'threshold');
    return 'a message, then a compaction';
  },
};

/** What compactions promise. */
export const COMPACTION_CHECKS: readonly Check[] = [endpoint, trigger, threshold];
