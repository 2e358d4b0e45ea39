import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import OpenAI from 'openai';
import OpenAI7 from 'openai-7';
import { request } from 'undici';
import { RequestRecord } from '@app/journal';
import { UNPRICED } from '@app/models';
import { responseEvents } from '@app/protocol';
import { directive, type Script, Simulator } from '../../../simulator/src/simulator.js';
import type { Answer, AnswerContext, ClientSide } from './answer.js';
import type { AnswerRule } from './answer-rule.js';
import type { AttemptFailure } from '@app/upstreams';
import { endedEarly } from './attempt-failures.js';
import { EventsFromJson } from './events-from-json.js';
import { JsonFromEvents } from './json-from-events.js';

/** A client that keeps what it gets. */
class CollectingClient implements ClientSide {
  head: readonly string[] | null = null;
  readonly chunks: Buffer[] = [];
  isEnded = false;
  failure: AttemptFailure | null = null;
  isDestroyed = false;
  readonly canMoveOn = false;
  readonly needsDrain = false;

  get isHeadSent(): boolean {
    return this.head !== null;
  }

  get body(): Buffer {
    return Buffer.concat(this.chunks);
  }

  writeHead(headers: readonly string[]): void {
    this.head = headers;
  }

  write(bytes: Buffer): boolean {
    this.chunks.push(bytes);
    return true;
  }

  end(lastBytes?: Buffer): void {
    if (lastBytes) this.chunks.push(lastBytes);
    this.isEnded = true;
  }

  destroy(): void {
    this.isDestroyed = true;
  }

  refuse(): void {}

  moveOn(): boolean {
    return false;
  }

  fail(failure: AttemptFailure): void {
    this.failure = failure;
  }
}

function scene(make: (context: AnswerContext) => Answer): {
  client: CollectingClient;
  record: RequestRecord;
  answer: Answer;
} {
  const client = new CollectingClient();
  const record = new RequestRecord(0, 0, 'POST /v1/responses');
  const headers = { 'content-type': 'application/json' };
  const rule: AnswerRule = {
    isReplay: false,
    refusal: () => null,
    onResponseId: () => undefined,
    settle: (summary, source) => record.settle(summary, source, UNPRICED),
    onCut: () => false,
  };
  const call = { requestedModel: 'gpt-5.5', isCodex: false };
  const answer = make({ client, record, rule, ...call, status: 200, headers });
  return { client, record, answer };
}

const jsonScene = () => scene((context) => new JsonFromEvents(context));
const eventsScene = () => scene((context) => new EventsFromJson(context));

let simulator: Simulator;
let replay: Server;
let replayed: Iterable<Buffer> = [];

beforeAll(async () => {
  simulator = await Simulator.start();
  replay = createServer((incoming, outgoing) => {
    incoming.resume();
    outgoing.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    for (const event of replayed) outgoing.write(event);
    outgoing.end();
  });
  await new Promise<void>((resolve) => replay.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  await simulator.close();
  await new Promise((resolve) => replay.close(resolve));
});

async function answerOf(script: Script, stream: boolean): Promise<Buffer> {
  const body = JSON.stringify({
    model: 'gpt-5.5',
    input: `Hi ${directive(script)}`,
    stream,
    include: ['reasoning.encrypted_content'],
  });
  const headers = { 'content-type': 'application/json' };
  const answer = await request(`${simulator.baseUrl}/responses`, { method: 'POST', headers, body });
  return Buffer.from(await answer.body.arrayBuffer());
}

/** Without what differs from one answer to the next: ids, times, sealed texts. */
function lasting(json: Buffer): unknown {
  return JSON.parse(json.toString('utf8'), (name, value: unknown) =>
    ['id', 'call_id', 'created_at', 'completed_at', 'encrypted_content'].includes(name) ? null : value,
  );
}

const SCRIPTS: [name: string, script: Script][] = [
  ['a text', { text: 'Grüße, 世界! Two words.' }],
  ['a long text', { text: `${'😀'.repeat(3000)} and ${'long '.repeat(2000)}` }],
  ['reasoning', { reasoning: true }],
  ['a tool call', { reasoning: true, call: { name: 'f', arguments: { a: [1, 2] } } }],
  ['a custom tool call', { call: { name: 'apply_patch', input: '*** Begin Patch\n*** End Patch' } }],
  ['an incomplete response', { fault: { kind: 'incomplete' } }],
  ['a failed response', { fault: { kind: 'failed' } }],
  ['an error event and a failed response', { fault: { kind: 'error_event' } }],
  ['keepalives and unknown events', { keepalive: true, unknown_events: true, comments: true, done_marker: true }],
];

describe('JsonFromEvents', () => {
  it.each(SCRIPTS)('answers %s as the upstream itself does without streaming', async (_, script) => {
    const { client, record, answer } = jsonScene();
    const [events, json] = await Promise.all([answerOf(script, true), answerOf(script, false)]);
    for (let at = 0; at < events.length; at += 700) answer.push(events.subarray(at, at + 700));
    answer.end();
    expect(client.failure).toBeNull();
    expect(client.isEnded).toBe(true);
    expect(client.head).toEqual(['content-type', 'application/json', 'content-length', String(client.body.length)]);
    expect(lasting(client.body)).toEqual(lasting(json));
    expect(record).toMatchObject({ isComplete: true, usageSource: record.usage ? 'terminal_event' : 'none' });
    expect(record.responseStatus).toBe((lasting(json) as { status: string }).status);
  });

  it('answers at the terminal event, and only then, and outlives the end of the upstream behind it', async () => {
    const { client, answer } = jsonScene();
    const events = await answerOf({}, true);
    answer.push(events.subarray(0, -1));
    expect(client.head).toBeNull();
    answer.push(events.subarray(-1));
    expect(client.body.length).toBeGreaterThan(0);
    expect(client.isEnded).toBe(false);
    answer.push(Buffer.from('data: [DONE]\n\n'));
    answer.breakOff(endedEarly(null));
    expect(client).toMatchObject({ isEnded: true, failure: null });
  });

  it.each([
    ['a stream without a terminal event', {}, 'upstream_error', 'the stream ended without a terminal event'],
    ['a bare error event', { fault: { kind: 'error_event' } }, 'rate_limit_exceeded', 'exceeded your current quota'],
  ] as [string, Script, string, string][])('fails with what is known of %s', async (_, script, code, problem) => {
    const { client, answer } = jsonScene();
    const events = (await answerOf(script, true)).toString('utf8').split('\n\n').slice(0, -2);
    answer.push(Buffer.from(`${events.join('\n\n')}\n\n`));
    answer.end();
    expect(client.failure).toMatchObject({ error: { code }, problem: expect.stringContaining(problem) });
    expect(client.head).toBeNull();
  });

  it('gives up an answer that is larger than its memory', () => {
    const { client, answer } = jsonScene();
    const chunk = Buffer.alloc(16 * 1024 * 1024, 'x');
    for (let i = 0; i < 6; i++) answer.push(chunk);
    answer.end();
    expect(client.failure).toMatchObject({ error: { code: 'upstream_error' } });
  });
});

describe('EventsFromJson', () => {
  it.each(SCRIPTS)('streams %s so that nothing is lost', async (_, script) => {
    const { client, record, answer } = eventsScene();
    const json = await answerOf(script, false);
    answer.push(json.subarray(0, 10));
    answer.push(json.subarray(10));
    expect(client.head).toBeNull();
    answer.end();
    expect(client.head).toContain('text/event-stream; charset=utf-8');
    const back = jsonScene();
    back.answer.push(client.body);
    back.answer.end();
    expect(JSON.parse(back.client.body.toString('utf8'))).toEqual(JSON.parse(json.toString('utf8')));
    expect(record).toMatchObject({ isComplete: true, usageSource: record.usage ? 'response_body' : 'none' });
    expect(back.record.usage).toEqual(record.usage);
  });

  it.each([
    ['HTML', '<html></html>'],
    ['JSON that is cut', '{"id":"resp_1","output":['],
    ['broken JSON inside the output', '{"id":"resp_1","output":[{"a" 1}]}'],
    ['an error in the place of a response', '{"error":{"message":"no","code":"x"}}'],
  ])('fails on %s', (_, body) => {
    const { client, answer } = eventsScene();
    answer.push(Buffer.from(body));
    answer.end();
    expect(client.failure).toMatchObject({ error: { code: 'upstream_error' } });
    expect(client.head).toBeNull();
  });

  it('gives up an answer that is larger than its memory', () => {
    const { client, answer } = eventsScene();
    const chunk = Buffer.alloc(16 * 1024 * 1024, 'x');
    for (let i = 0; i < 6; i++) answer.push(chunk);
    answer.end();
    expect(client.failure).toMatchObject({ error: { code: 'upstream_error' } });
  });
});

describe('the SDK helpers', () => {
  const RESPONSE = {
    id: 'resp_1',
    object: 'response',
    created_at: 1,
    status: 'completed',
    error: null,
    incomplete_details: null,
    model: 'gpt-5.5',
    output: [
      {
        id: 'rs_1',
        type: 'reasoning',
        summary: [
          { type: 'summary_text', text: 'first' },
          { type: 'summary_text', text: 'second' },
        ],
        content: [{ type: 'reasoning_text', text: 'deep' }],
        encrypted_content: 'gAAAA',
      },
      { id: 'ws_1', type: 'web_search_call', status: 'completed', action: { type: 'search', query: 'q' } },
      { id: 'ci_1', type: 'code_interpreter_call', status: 'completed', code: '1+1', container_id: 'c', outputs: null },
      { id: 'mcp_1', type: 'mcp_call', arguments: '{}', name: 'n', server_label: 's', error: 'gone', output: null },
      { id: 'ig_1', type: 'image_generation_call', status: 'completed', result: 'AAAA' },
      { id: 'fc_1', type: 'function_call', status: 'completed', call_id: 'call_1', name: 'f', arguments: '{"a":1}' },
      { id: 'ctc_1', type: 'custom_tool_call', status: 'completed', call_id: 'call_2', name: 'g', input: '' },
      { id: 'cmp_1', type: 'compaction', encrypted_content: 'gAAAA' },
      {
        id: 'msg_1',
        type: 'message',
        status: 'completed',
        role: 'assistant',
        content: [
          {
            type: 'output_text',
            text: `see ${'a'.repeat(5000)}`,
            logprobs: [],
            annotations: [{ type: 'url_citation', url: 'https://a.example', title: 'A', start_index: 0, end_index: 3 }],
          },
          { type: 'output_text', text: '', logprobs: [], annotations: [] },
          { type: 'refusal', refusal: 'but no more' },
        ],
      },
    ],
    tools: [],
    usage: { input_tokens: 1, output_tokens: 2, total_tokens: 3 },
  };
  const WITHOUT_IDS = {
    ...RESPONSE,
    output: RESPONSE.output.filter(({ type }) => type !== 'image_generation_call').map(({ id: _, ...item }) => item),
  };

  const clients = (): OpenAI[] => {
    const options = {
      apiKey: 'sk-any',
      baseURL: `http://127.0.0.1:${(replay.address() as AddressInfo).port}/v1`,
      maxRetries: 0,
    };
    // Two majors, one interface as far as it is used here.
    return [new OpenAI(options), new OpenAI7(options) as unknown as OpenAI];
  };

  /** What the SDK adds of its own. */
  const bare = (value: unknown): unknown =>
    JSON.parse(
      JSON.stringify(value, (name, field: unknown) =>
        name === 'parsed' || name === 'parsed_arguments' || name === 'output_text' || name === 'output_parsed'
          ? undefined
          : field,
      ),
    );

  it.each([0, 1])('read from the made events the response that the JSON was (SDK %#)', async (index) => {
    const texts = [
      JSON.stringify(RESPONSE),
      ...(await Promise.all(SCRIPTS.map(([, script]) => answerOf(script, false)))).map(String),
    ];
    for (const text of texts) {
      const response = JSON.parse(text) as Record<string, unknown>;
      replayed = responseEvents(response, 'resp_fallback');
      const final = await clients()[index]?.responses.stream({ model: 'gpt-5.5', input: 'x' }).finalResponse();
      expect(bare(final)).toEqual(bare(response));
    }
  });

  it.each([0, 1])('follow items that came without ids (SDK %#)', async (index) => {
    replayed = responseEvents(WITHOUT_IDS, 'resp_fallback');
    const final = await clients()[index]?.responses.stream({ model: 'gpt-5.5', input: 'x' }).finalResponse();
    expect(final?.output.map(({ id }) => id).slice(0, 2)).toEqual(['rs_1_0', 'item_1_1']);
  });
});
