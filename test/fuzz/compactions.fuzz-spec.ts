import * as fc from 'fast-check';
import { CompactionScene, type Item, itemOf, message, MODEL, outputOf } from '../support/compaction-scene.js';
import { CASES, expectWell, GROWTH_BYTES_MAX, report, rssBytes, TIME_LIMIT_MS } from './fuzz-run.js';

const PIXEL =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

let scene: CompactionScene;
beforeAll(async () => void (scene = await CompactionScene.start({ compaction: 'unknown' })));
afterAll(() => scene.stop());

const anyText = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc.constantFrom('', ' ', '"\\\n\u2028', '<conversation>', '中文', 'tgc1.', '\u001b[31mred'),
  fc.integer({ min: 1, max: 4_000 }).map((count) => 'word '.repeat(count)),
);
const anyUserMessage = fc.oneof(
  anyText.map((text) => message('user', text)),
  anyText.map((text) => ({ role: 'user', content: text }) as unknown as Item),
  anyText.map((text): Item => ({
    type: 'message',
    role: 'user',
    content: [
      { type: 'input_text', text },
      { type: 'input_image', image_url: PIXEL, detail: 'auto' },
    ],
  })),
);
const anyOtherMessage = fc.oneof(
  anyText.map((text) => message('assistant', text)),
  anyText.map((text) => ({ role: 'assistant', content: text }) as unknown as Item),
  anyText.map((text) => message('developer', text)),
  anyText.map((text): Item => ({ type: 'reasoning', summary: [{ type: 'summary_text', text }], content: null })),
);

/** Calls of one turn, their outputs in another order, perhaps with a word of the user in between. */
const anyToolUse = fc
  .record({
    kinds: fc.array(fc.constantFrom('function', 'custom', 'tool_search'), { minLength: 1, maxLength: 3 }),
    between: fc.option(anyUserMessage, { nil: null }),
    isReversed: fc.boolean(),
    output: anyText,
  })
  .map(({ kinds, between, isReversed, output }) => (ids: () => string): Item[] => {
    const uses = kinds.map((kind) => toolUse(kind, ids(), output));
    const outputs = uses.map(([, answered]) => answered);
    return [
      ...uses.map(([called]) => called),
      ...(between ? [between] : []),
      ...(isReversed ? outputs.toReversed() : outputs),
    ];
  });

function toolUse(kind: string, id: string, text: string): [Item, Item] {
  const output = `FACT-${id.toUpperCase()} ${text}`;
  if (kind === 'custom') {
    return [
      { type: 'custom_tool_call', call_id: id, name: 'apply_patch', input: '*** Begin Patch' },
      { type: 'custom_tool_call_output', call_id: id, output },
    ];
  }
  if (kind === 'tool_search') {
    return [
      { type: 'tool_search_call', call_id: id, execution: 'client', arguments: { query: 'x' } },
      { type: 'tool_search_output', call_id: id, tools: [], output },
    ];
  }
  return [
    { type: 'function_call', call_id: id, name: 'shell', arguments: '{"cmd":"ls"}' },
    { type: 'function_call_output', call_id: id, output },
  ];
}

const anyConversation = fc
  .array(fc.oneof(anyUserMessage, anyOtherMessage, anyToolUse), { minLength: 1, maxLength: 14 })
  .map((blocks) => {
    let count = 0;
    const ids = (): string => `c${++count}x`;
    return blocks.flatMap((block) => (typeof block === 'function' ? block(ids) : [block]));
  });

/** The user's messages, whatever form they have. */
function userContents(items: readonly Item[]): unknown[] {
  return items
    .filter(({ role }) => role === 'user')
    .map(({ content }) => (typeof content === 'string' ? [{ type: 'input_text', text: content }] : content));
}

const factsIn = (items: readonly Item[]) => new Set(JSON.stringify(items).match(/FACT-C\d+X/g));
const upstreamBodies = () => scene.simulator.exchanges.splice(0).map(({ body }) => body.toString());
const next = message('user', 'And now?');

function expectKnown(conversation: readonly Item[], body: string | undefined): void {
  for (const fact of factsIn(conversation)) expect(body).toContain(fact);
  expect(body).not.toContain('encrypted_content');
}

describe('any conversation', () => {
  it(
    'is compacted into what goes on: user messages in order, every fact, and no output without its call',
    async () => {
      const before = rssBytes(scene.gateway);
      const endpoint = fc.asyncProperty(anyConversation, fc.boolean(), async (conversation, byTrigger) => {
        const answer = await (byTrigger ? scene.trigger(conversation) : scene.compact(conversation));
        expect([answer.status, answer.error ?? null]).toEqual([200, null]);
        const output = byTrigger
          ? [...conversation.filter(({ role }) => role === 'user'), itemOf(answer) as Item]
          : outputOf(answer);
        expect(userContents(output)).toEqual(userContents(conversation));
        const went = await scene.respond([...output, next]);
        expect([went.status, went.error ?? null]).toEqual([200, null]);
        expectKnown(conversation, upstreamBodies().at(-1));
      });
      await fc.assert(endpoint, { numRuns: CASES });
      await expectWell(scene.gateway);
      const growthBytes = rssBytes(scene.gateway) - before;
      report('compactions', { cases: CASES, growthMiB: Math.round(growthBytes / 1024 / 1024) });
      expect(growthBytes).toBeLessThan(GROWTH_BYTES_MAX);
    },
    TIME_LIMIT_MS,
  );

  it(
    'is made shorter on its way into what its upstream takes',
    async () => {
      const threshold = fc.asyncProperty(anyConversation, async (conversation) => {
        const context_management = [{ type: 'compaction', compact_threshold: 1 }];
        const input = [...conversation, next];
        const answer = await scene.post('/v1/responses', { model: MODEL, input, store: false, context_management });
        expect([answer.status, answer.error ?? null]).toEqual([200, null]);
        const body = upstreamBodies().at(-1) ?? '';
        expectKnown(conversation, body);
        const sent = (JSON.parse(body) as { input: Item[] }).input;
        expect(userContents(sent)).toEqual(userContents(input));
      });
      await fc.assert(threshold, { numRuns: CASES });
      await expectWell(scene.gateway);
    },
    TIME_LIMIT_MS,
  );
});
