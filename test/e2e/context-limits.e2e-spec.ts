import { CompactionScene, FACT, type Item, message, MODEL, outputOf, typesOf } from '../support/compaction-scene.js';
import { type Answer, eventsOf } from '../support/responses-client.js';

/** Some 6 000 tokens, and a fact in what a tool has said. */
const HISTORY: Item[] = [
  message('developer', 'Be kind.'),
  message('user', 'Read the notes.'),
  { type: 'function_call', call_id: 'call_1', name: 'shell', arguments: '{"cmd":"cat notes"}' },
  { type: 'function_call_output', call_id: 'call_1', output: `${FACT}. ${'all work and no play '.repeat(1_000)}` },
  message('assistant', 'I have read them.'),
];
const CONTEXT_MANAGEMENT = { context_management: [{ type: 'compaction', compact_threshold: 1_000 }] };

const lastBody = ({ simulator }: CompactionScene) =>
  JSON.parse(simulator.exchanges.at(-1)?.body.toString() ?? '{}') as { input: Item[]; context_management?: unknown };

describe.each([
  ['refuses it', { compaction: 'unknown' }, {}],
  ['is not to be asked', { compaction: 'native' }, { compaction: 'emulate' }],
] as const)('context_management behind an upstream that %s', (_, simulation, upstream) => {
  let scene: CompactionScene;
  beforeAll(async () => void (scene = await CompactionScene.start(simulation, upstream)));
  afterAll(() => scene.stop());

  const respond = (input: Item[], fields: object = {}): Promise<Answer> =>
    scene.post('/v1/responses', { model: MODEL, input, store: false, ...CONTEXT_MANAGEMENT, ...fields });

  it('below the threshold changes nothing', async () => {
    const answer = await respond([message('user', 'Hello')]);
    expect([answer.status, typesOf(outputOf(answer))]).toEqual([200, ['message:assistant']]);
    expect(lastBody(scene)).not.toHaveProperty('context_management');
  });

  it.each([true, false])(
    'beyond it the history is summarised, and the answer ends in a compaction (stream: %s)',
    async (stream) => {
      const answer = await respond([...HISTORY, message('user', 'What now?')], { stream });
      expect(answer.status).toBe(200);
      const { input, ...rest } = lastBody(scene);
      expect(rest).not.toHaveProperty('context_management');
      expect(typesOf(input)).toEqual(['message:developer', 'message:user', 'message:developer', 'message:user']);
      expect(JSON.stringify(input)).toContain(FACT);
      const events = stream ? eventsOf(answer.body) : [];
      const output = stream
        ? ((events.at(-1)?.response as { output?: Item[] } | undefined)?.output ?? [])
        : outputOf(answer);
      expect(typesOf(output)).toEqual(['message:assistant', 'compaction']);
      expect(events.map(({ sequence_number: number }) => number)).toEqual(events.map((_event, index) => index));
      expect(await scene.gateway.row(answer.requestId)).toMatchObject({
        kind: 'response',
        compaction: { form: 'threshold', by: 'gateway', compaction_request: expect.stringMatching(/^req_/) },
      });
      // Everything before the compaction may be left out.
      const next = await scene.respond([output.at(-1), message('user', 'And then?')]);
      expect(next.status).toBe(200);
      const context = scene.lastContext();
      for (const known of [FACT, 'What now?', 'I am a simulated upstream']) expect(context).toContain(known);
    },
  );

  it('an answer that calls a tool has no compaction yet', async () => {
    const script = 'Use it. [[sim {"call":{"name":"shell","arguments":{}}}]]';
    const answer = await respond([...HISTORY, message('user', script)]);
    expect(typesOf(outputOf(answer))).toEqual(['function_call']);
    expect(lastBody(scene).input).toHaveLength(4);
  });

  it('a summary that cannot be had leaves the call as it is', async () => {
    const instruction = 'Fail, please: [[sim {"fault":{"kind":"incomplete"}}]]';
    await scene.gateway.admin.patch('/settings', { compaction_instruction: instruction });
    const input = [...HISTORY, message('user', 'Once more?')];
    const answer = await respond(input);
    await scene.gateway.admin.patch('/settings', { compaction_instruction: null });
    expect([answer.status, typesOf(outputOf(answer))]).toEqual([200, ['message:assistant']]);
    expect(lastBody(scene).input).toEqual(input);
  });
});

describe('context_management behind an upstream that knows it', () => {
  it('is passed on, and so is what it makes', async () => {
    const scene = await CompactionScene.start({ compaction: 'native', name: 'native' });
    const body = {
      model: MODEL,
      input: [...HISTORY, message('user', 'What now?')],
      store: false,
      ...CONTEXT_MANAGEMENT,
    };
    for (let count = 0; count < 2; count++) {
      const answer = await scene.post('/v1/responses', body);
      expect(typesOf(outputOf(answer))).toEqual(['message:assistant', 'compaction']);
      expect(lastBody(scene)).toMatchObject(CONTEXT_MANAGEMENT);
    }
    await scene.stop();
  });
});

describe('a group that has its calls compacted', () => {
  let scene: CompactionScene;
  beforeAll(async () => {
    scene = await CompactionScene.start({ compaction: 'unknown', contextWindowTokens: 3_000 });
    await scene.gateway.admin.create('/models', { name: MODEL, context_window_tokens: 3_000 });
    await scene.gateway.admin.patch(`/groups/${scene.issued.group.id}`, { automatic_compaction: true });
  });
  afterAll(() => scene.stop());

  const respond = (input: Item[]): Promise<Answer> =>
    scene.post('/v1/responses', { model: MODEL, input, store: false, stream: true, prompt_cache_key: 'session' });

  it('has those that exceed the window of their model compacted before, and is told', async () => {
    const answer = await respond([...HISTORY, message('user', 'What now?')]);
    expect(answer.status).toBe(200);
    expect(answer.headers['x-tollgate-compaction']).toMatch(/^automatic; before=\d+, after=\d+$/);
    expect(JSON.stringify(lastBody(scene).input)).toContain(FACT);
    const row = await scene.gateway.row(answer.requestId);
    expect(row).toMatchObject({ kind: 'response', outcome: 'ok', compaction: { form: 'automatic', by: 'gateway' } });
    const summary = await scene.gateway.row(row.compaction?.compaction_request ?? null);
    expect(summary).toMatchObject({ kind: 'compaction', outcome: 'ok', session_id: 'session', status: 200 });
    expect(summary.input_tokens).toBeGreaterThan(0);
    expect((row.input_tokens ?? 0) + (summary.input_tokens ?? 0)).toBe(
      scene.simulator.ledger.totals.overall.inputTokens,
    );
  });

  it('pays for a summary once, although the client sends everything again', async () => {
    const before = scene.simulator.ledger.totals.overall.responses;
    const more = [message('assistant', 'That.'), message('user', 'And now?')];
    const answer = await respond([...HISTORY, message('user', 'What now?'), ...more]);
    expect(answer.status).toBe(200);
    expect(scene.simulator.ledger.totals.overall.responses).toBe(before + 1);
    const { input } = lastBody(scene);
    expect(JSON.stringify(input)).toContain(FACT);
    expect(typesOf(input).slice(-3)).toEqual(['message:user', 'message:assistant', 'message:user']);
  });

  it('has a long turn of tools summarised, which no cut before it would help', async () => {
    const tools = Array.from({ length: 6 }, (_, turn): Item[] => [
      { type: 'function_call', call_id: `call_${turn}`, name: 'shell', arguments: '{}' },
      {
        type: 'function_call_output',
        call_id: `call_${turn}`,
        output: `FACT-${turn}. ${'work and play '.repeat(400)}`,
      },
    ]).flat();
    const input = [message('user', 'Hello'), message('assistant', 'Hi'), message('user', 'Do it'), ...tools];
    const respondAs = (session: string) =>
      scene.post('/v1/responses', { model: MODEL, input, store: false, prompt_cache_key: session });
    expect((await respondAs('long')).status).toBe(200);
    for (let turn = 0; turn < 6; turn++) expect(JSON.stringify(lastBody(scene).input)).toContain(`FACT-${turn}`);
    const before = scene.simulator.exchanges.length;
    expect((await respondAs('long')).status).toBe(200);
    expect(scene.simulator.exchanges).toHaveLength(before + 1);
  });

  it('has the others passed on as they are', async () => {
    const answer = await respond([message('user', 'Hello')]);
    expect(answer.headers).not.toHaveProperty('x-tollgate-compaction');
    expect(lastBody(scene).input).toEqual([message('user', 'Hello')]);
  });
});
