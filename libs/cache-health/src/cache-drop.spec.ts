import { type AnsweredTurn, cacheDropOf, type Turn, type TurnChange } from './cache-drop.js';

const TURN: Turn = {
  requestId: 'req_2',
  model: 'gpt-5.5',
  servedModel: 'gpt-5.5-2026-04-01',
  upstreamId: 'one',
  upstreamName: 'one',
  inputTokens: 21_000,
  cachedTokens: 0,
  responseId: 'resp_2',
  previousResponseId: null,
  conversationId: null,
  compaction: null,
  isCompacting: false,
};
const PREVIOUS: AnsweredTurn = {
  ...TURN,
  requestId: 'req_1',
  responseId: 'resp_1',
  inputTokens: 20_000,
  cachedTokens: 15_000,
  answeredAtMs: 0,
  number: 2,
  isCacheKnown: true,
  wasCompacted: false,
};
const INTACT: TurnChange = { keptItems: 8, brokenAt: null, itemType: null, idleMs: 900.4 };
const EDITED: TurnChange = { ...INTACT, brokenAt: { part: 'input', itemIndex: 3 }, itemType: 'reasoning' };

function causeOf(previous: Partial<AnsweredTurn>, turn: Partial<Turn>, change: Partial<TurnChange> = {}) {
  const drop = cacheDropOf({ ...PREVIOUS, ...previous }, { ...TURN, ...turn }, { ...INTACT, ...change });
  return drop?.cause ?? null;
}

describe('cacheDropOf', () => {
  it('tells what was expected, what was read, since when, and which item broke the prefix', () => {
    expect(cacheDropOf(PREVIOUS, { ...TURN, cachedTokens: 1_024 }, EDITED)).toEqual({
      cause: 'input',
      item_index: 3,
      item_type: 'reasoning',
      expected_tokens: 20_000,
      cached_tokens: 1_024,
      idle_ms: 900,
      previous_request_id: 'req_1',
    });
  });

  it('is silent while at least half of what is expected was read, whatever has changed', () => {
    expect(causeOf({}, { cachedTokens: 10_000 }, EDITED)).toBeNull();
    expect(causeOf({}, { cachedTokens: 9_999 }, EDITED)).toBe('input');
  });

  it('expects no more of a turn than its own input', () => {
    expect(causeOf({}, { inputTokens: 6_000, cachedTokens: 3_000 })).toBeNull();
    expect(cacheDropOf(PREVIOUS, { ...TURN, inputTokens: 6_000 }, INTACT)).toMatchObject({ expected_tokens: 6_000 });
  });

  it.each([
    ['a first turn that read nothing', { cachedTokens: 0, number: 1 }, {}],
    ['later turns of a model that was never seen to read a cache', { cachedTokens: 0, isCacheKnown: false }, {}],
    ['prompts that are too short for caches', { inputTokens: 1_023 }, {}],
    ['a prompt that has become too short for caches', {}, { inputTokens: 1_023 }],
    ['another conversation that stands at the provider', { conversationId: 'conv_1' }, { conversationId: 'conv_2' }],
    ['a branch off an older response', { previousResponseId: 'resp_0' }, { previousResponseId: 'resp_0' }],
    ['the first whole input behind stored ones', { previousResponseId: 'resp_0' }, {}],
  ])('expects nothing after %s', (_, previous, turn) => expect(causeOf(previous, turn)).toBeNull());

  it.each([
    ['the first turn read from the cache', { number: 1 }, {}],
    ['there is a cache, which no turn of the session has read', { cachedTokens: 0 }, {}],
    ['it goes on from the response before', {}, { previousResponseId: 'resp_1' }],
    ['it goes on with a conversation', { conversationId: 'conv_1' }, { conversationId: 'conv_1' }],
  ])('expects a cached prompt when %s', (_, previous, turn) => expect(causeOf(previous, turn)).toBe('unknown'));

  it.each([
    ['compaction', { wasCompacted: true }, { model: 'other' }, EDITED],
    ['compaction', { isCompacting: true }, {}, EDITED],
    ['compaction', {}, { isCompacting: true }, EDITED],
    ['compaction', {}, { compaction: '900:x:y' }, EDITED],
    ['model', {}, { model: 'other', upstreamId: 'two' }, { brokenAt: { part: 'instructions' } }],
    ['instructions', {}, { upstreamId: 'two' }, { brokenAt: { part: 'instructions' } }],
    ['tools', {}, {}, { brokenAt: { part: 'tools' } }],
    ['input', {}, { upstreamId: 'two' }, EDITED],
    ['upstream', {}, { upstreamId: 'two', servedModel: 'elsewhere' }, {}],
    ['model', {}, { servedModel: 'gpt-5.5-2026-11-01' }, {}],
    ['unknown', {}, {}, {}],
  ] as const)('says %s when %j was followed by %j, %j', (cause, previous, turn, change) => {
    expect(causeOf(previous, turn, change)).toBe(cause);
  });
});
