import OpenAI from 'openai';
import {
  CompactionScene,
  CONVERSATION,
  FACT,
  type Item,
  itemOf,
  message,
  MODEL,
  outputOf,
  typesOf,
} from '../support/compaction-scene.js';
import { eventsOf } from '../support/responses-client.js';

/** An SDK's compaction, and the next turn of the session from what it gave. */
async function expectSdkToGoOn(scene: CompactionScene): Promise<void> {
  const client = new OpenAI({ baseURL: `${scene.gateway.url}/v1`, apiKey: scene.issued.secret });
  const compacted = await client.responses.compact({ model: MODEL, input: CONVERSATION as never });
  expect(compacted.object).toBe('response.compaction');
  const input = [...(compacted.output as never[]), { role: 'user' as const, content: 'And now?' }];
  const next = await client.responses.create({ model: MODEL, input, store: false });
  expect(next.status).toBe('completed');
  expect(scene.lastContext()).toContain(FACT);
}

describe.each([
  ['refuses what it does not know', { compaction: 'unknown' }, {}],
  ['passes over what it does not know', { compaction: 'ignored' }, {}],
  ['is not to be asked', { compaction: 'native' }, { compaction: 'emulate' }],
] as const)('behind an upstream that %s', (_, simulation, upstream) => {
  let scene: CompactionScene;
  beforeAll(async () => void (scene = await CompactionScene.start(simulation, upstream)));
  afterAll(() => scene.stop());

  it('a conversation is compacted into its user messages, a readable summary and a sealed item', async () => {
    const answer = await scene.compact(CONVERSATION, { stream: true, include: ['x'], store: true });
    expect(answer.status).toBe(200);
    const body = JSON.parse(answer.body.toString());
    expect(body).toMatchObject({
      id: expect.stringMatching(/^resp_/),
      object: 'response.compaction',
      created_at: expect.any(Number),
      model: MODEL,
      status: 'completed',
      usage: { total_tokens: expect.any(Number), input_tokens_details: { cached_tokens: 0 } },
    });
    expect(typesOf(body.output)).toEqual(['message:user', 'message:user', 'message:assistant', 'compaction']);
    expect(body.output[0].content).toEqual([{ type: 'input_text', text: 'Build the gateway.' }]);
    expect(body.output[2].content[0]).toMatchObject({ type: 'output_text', text: expect.stringContaining(FACT) });
    expect(body.output[3].encrypted_content).toMatch(/^tgc1\.[\w-]+$/);
  });

  it('what comes back is opened, counts once, and never reaches the upstream sealed', async () => {
    const output = outputOf(await scene.compact(CONVERSATION));
    const answer = await scene.respond([...output, message('user', 'And now?')]);
    expect(answer.status).toBe(200);
    const context = scene.lastContext();
    expect(context).not.toContain('tgc1.');
    expect(context.split(FACT)).toHaveLength(2);
    const { input } = JSON.parse(context) as { input?: Item[] } & Item[];
    expect(typesOf(input ?? (JSON.parse(context) as Item[]))).toEqual([
      'message:user',
      'message:user',
      'message:developer',
      'message:user',
    ]);
  });

  it('a trigger is answered by a stream with exactly one compaction item', async () => {
    const answer = await scene.trigger(CONVERSATION);
    expect(answer.status).toBe(200);
    const events = eventsOf(answer.body);
    expect(events.map(({ type }) => type)).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.output_item.done',
      'response.completed',
    ]);
    expect(events.map(({ sequence_number: number }) => number)).toEqual([0, 1, 2, 3, 4]);
    expect(events.at(-1)?.response).toMatchObject({
      id: events[0]?.response?.id,
      output: [{ ...itemOf(answer), type: 'compaction' }],
      usage: { input_tokens: expect.any(Number), total_tokens: expect.any(Number) },
    });
    const next = await scene.respond([message('user', 'Build the gateway.'), itemOf(answer), message('user', 'Go on')]);
    expect(next.status).toBe(200);
    expect(scene.lastContext()).toContain(FACT);
  });

  it('and by one object for a client that does not stream', async () => {
    const answer = await scene.trigger(CONVERSATION, { stream: false });
    expect(typesOf(outputOf(answer))).toEqual(['compaction']);
  });

  it('it is logged and billed as a compaction, to the token', async () => {
    const before = scene.simulator.ledger.totals.overall;
    const { inputTokens, outputTokens } = before;
    const answer = await scene.trigger(CONVERSATION, { prompt_cache_key: 'session-1' });
    const row = await scene.gateway.row(answer.requestId);
    const after = scene.simulator.ledger.totals.overall;
    expect(row).toMatchObject({
      kind: 'compaction',
      outcome: 'ok',
      session_id: 'session-1',
      upstream_name: 'only',
      input_tokens: after.inputTokens - inputTokens,
      output_tokens: after.outputTokens - outputTokens,
      compaction: { form: 'trigger', by: 'gateway', items_before: 5, items_after: 1, chunks: 1 },
    });
    expect(row.compaction?.tokens_before).toBeGreaterThan(row.compaction?.tokens_after ?? Infinity);
    const found = await scene.gateway.admin.get('/requests?kind=compaction&session=session-1');
    expect((found.body as { data: { id: string }[] }).data.map(({ id }) => id)).toContain(answer.requestId);
  });

  it('the upstream has lost nothing of its health by it', async () => {
    const { body } = await scene.gateway.admin.get(`/upstreams/${scene.upstreamId}`);
    expect(body).toMatchObject({ state: 'healthy', health: { consecutive_failures: 0 } });
  });
});

describe('behind an upstream that knows compaction', () => {
  let scene: CompactionScene;
  beforeAll(async () => void (scene = await CompactionScene.start({ compaction: 'native', name: 'native' })));
  afterAll(() => scene.stop());

  it('both forms are passed on untouched, but for what /compact does not take', async () => {
    const body = `{"model":"${MODEL}", "stream":true,"store":true, "include":[],"input":${JSON.stringify(CONVERSATION)},"x":1}`;
    const answer = await scene.post('/v1/responses/compact', body);
    expect([answer.status, typesOf(outputOf(answer))]).toEqual([200, ['message:user', 'message:user', 'compaction']]);
    const { path, body: sent } = scene.simulator.exchanges.at(-1) ?? {};
    expect(path).toBe('/v1/responses/compact');
    expect(sent?.toString()).toBe(`{"model":"${MODEL}",  "input":${JSON.stringify(CONVERSATION)},"x":1}`);
    expect(answer.body).toEqual(scene.simulator.exchanges.at(-1)?.sentBytes);

    const triggered = await scene.trigger(CONVERSATION);
    expect(triggered.body).toEqual(scene.simulator.exchanges.at(-1)?.sentBytes);
    expect(itemOf(triggered)?.encrypted_content).toMatch(/^gAAAAAB/);
    expect(await scene.gateway.row(triggered.requestId)).toMatchObject({
      kind: 'compaction',
      compaction: { form: 'trigger', by: 'upstream' },
    });
  });

  it('the SDK compacts, and goes on from the output', () => expectSdkToGoOn(scene));
});

describe('a compaction of the gateway', () => {
  let scene: CompactionScene;
  beforeAll(async () => {
    scene = await CompactionScene.start({ compaction: 'unknown', contextWindowTokens: 32_000 });
  });
  afterAll(() => scene.stop());
  afterEach(() => scene.gateway.admin.patch('/settings', { compaction_instruction: null }));

  it('the SDK takes it, and goes on from the output', () => expectSdkToGoOn(scene));

  it.each([
    ['both', ['message:assistant', 'compaction']],
    ['sealed', ['compaction']],
    ['message', ['message:assistant']],
  ])('answers what its group wants: %s', async (output, types) => {
    const { group } = scene.issued;
    await scene.gateway.admin.patch(`/groups/${group.id}`, { compaction_output: output });
    const answer = await scene.compact(CONVERSATION);
    await scene.gateway.admin.patch(`/groups/${group.id}`, { compaction_output: 'both' });
    expect(typesOf(outputOf(answer)).slice(2)).toEqual(types);
  });

  it('is written by the instruction of the operator', async () => {
    await scene.gateway.admin.patch('/settings', {
      compaction_instruction: 'Say it as a poem: [[sim {"text":"a poem"}]]',
    });
    const [, , summary] = outputOf(await scene.compact(CONVERSATION));
    expect(summary?.content).toMatchObject([{ text: 'a poem' }]);
    const { instructions, tools } = JSON.parse(scene.simulator.exchanges.at(-1)?.body.toString() ?? '') as Item;
    expect(instructions).toContain('Say it as a poem');
    expect(tools).toEqual([]);
  });

  it('of what the upstream has stored takes all of it', async () => {
    const stored = await scene.post('/v1/responses', { model: MODEL, input: CONVERSATION, store: true });
    const { id } = JSON.parse(stored.body.toString()) as { id: string };
    for (const more of [{}, { input: [message('user', 'short')] }]) {
      const answer = await scene.post('/v1/responses/compact', { model: MODEL, previous_response_id: id, ...more });
      expect([answer.status, typesOf(outputOf(answer)).slice(-2)]).toEqual([200, ['message:assistant', 'compaction']]);
      expect(JSON.parse(scene.simulator.exchanges.at(-1)?.body.toString() ?? '')).toMatchObject({
        previous_response_id: id,
      });
    }
  });

  it('of a text answers a summary', async () => {
    const output = outputOf(await scene.compact(`In short: ${FACT}.`));
    expect(typesOf(output)).toEqual(['message:user', 'message:assistant', 'compaction']);
    expect(JSON.stringify(output[1])).toContain(FACT);
  });

  it.each([
    ['nothing', []],
    ['messages of the user', [message('user', 'Hello'), { role: 'user', content: 'again' }]],
  ])('gives %s back unchanged', async (_, input) => {
    const before = scene.simulator.exchanges.length;
    const answer = await scene.compact(input);
    expect([answer.status, outputOf(answer)]).toEqual([200, input]);
    expect(scene.simulator.exchanges).toHaveLength(before);
  });

  it('gives what it has compacted back unchanged', async () => {
    const output = outputOf(await scene.compact(CONVERSATION, {}));
    const sealed = output.filter(({ role }) => role !== 'assistant');
    expect(outputOf(await scene.compact(sealed))).toEqual(sealed);
  });

  it.each([
    ['model', { input: 'x' }],
    ['input', { model: MODEL }],
    ['input', { model: MODEL, input: null }],
  ])('needs a %s', async (param, body) => {
    const answer = await scene.post('/v1/responses/compact', body);
    expect([answer.status, answer.error?.code, answer.error?.param]).toEqual([
      400,
      'missing_required_parameter',
      param,
    ]);
  });

  it('reads a conversation that is longer than the window in parts, and loses no fact', async () => {
    const input = Array.from({ length: 60 }, (_, turn) => [
      message('user', `Turn ${turn}.`),
      message('assistant', `${'word '.repeat(1_600)} FACT-${turn} is known ${'word '.repeat(400)}`),
    ]).flat();
    const answer = await scene.compact(input);
    expect(answer.status).toBe(200);
    const output = outputOf(answer);
    expect(typesOf(output)).toEqual([
      ...Array.from({ length: 60 }, () => 'message:user'),
      'message:assistant',
      'compaction',
    ]);
    const text = JSON.stringify(output.at(-2));
    for (let turn = 0; turn < 60; turn++) expect(text).toContain(`FACT-${turn} `);
    const row = await scene.gateway.row(answer.requestId);
    expect(row.compaction?.chunks).toBeGreaterThan(3);
    expect(row.input_tokens).toBeGreaterThan(60 * 2_000);
  });

  it('that fails leaves the session as it is, and says so', async () => {
    const instruction = 'Fail, please: [[sim {"fault":{"kind":"incomplete"}}]]';
    await scene.gateway.admin.patch('/settings', { compaction_instruction: instruction });
    const answer = await scene.trigger(CONVERSATION);
    expect([answer.status, answer.error?.code]).toEqual([400, 'compaction_failed']);
    expect(answer.headers['x-should-retry']).toBe('false');
    expect(answer.error?.message).toMatch(/could not be compacted: the summary was cut off/);
    const row = await scene.gateway.row(answer.requestId);
    expect(row).toMatchObject({ kind: 'compaction', outcome: 'upstream_error', settlement: 'unpriced' });
    expect(row.output_tokens).toBeGreaterThan(0);
    expect((await scene.respond(CONVERSATION)).status).toBe(200);
  });
});

describe('a compaction that is switched off', () => {
  it('is refused once, in words', async () => {
    const scene = await CompactionScene.start({}, { compaction: 'refuse' });
    const answer = await scene.compact(CONVERSATION);
    await scene.stop();
    expect([answer.status, answer.error?.code]).toEqual([400, 'responses_compact_not_supported']);
    expect(answer.headers['x-should-retry']).toBe('false');
    expect(scene.simulator.exchanges).toHaveLength(0);
  });
});
