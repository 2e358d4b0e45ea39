import { type ServerResponse } from 'node:http';
import type { Model, Upstream } from '../../libs/contract/src/index.js';
import type { Issued } from '../support/admin-client.js';
import { CONVERSATION, type Item, message, MODEL, outputOf, typesOf } from '../support/compaction-scene.js';
import { TestGateway } from '../support/gateway.js';
import { type Answer, call } from '../support/responses-client.js';
import {
  CREATED,
  DELTA,
  event,
  IN_PROGRESS,
  JSON_TYPE,
  ScriptedUpstream,
  SSE,
  USAGE,
} from '../support/scripted-upstream.js';

const NATIVE_ITEM = { type: 'compaction', id: 'cmp_1', encrypted_content: `gAAAA${'x'.repeat(60)}` };
const NATIVE_COMPACTION = JSON.stringify({
  id: 'resp_1',
  object: 'response.compaction',
  created_at: 1,
  output: [NATIVE_ITEM],
  usage: USAGE,
});
const BUSY = '{"error":{"message":"busy","type":"server_error","code":"server_is_overloaded","param":null}}';
const TOO_LONG =
  '{"error":{"message":"Your input exceeds the context window of this model.","type":"invalid_request_error","code":"context_length_exceeded","param":"input"}}';
const BAD_TOOL =
  '{"error":{"message":"Invalid schema for function \'compact_x\'.","type":"invalid_request_error","code":"invalid_function_parameters","param":"tools[0]"}}';
const SMALL = [message('user', 'q'), message('assistant', 'a')];
/** Larger than any call for a part of it. */
const LARGE = [message('user', 'q'), message('assistant', 'lorem ipsum dolor sit amet '.repeat(6_000))];
const PART_BYTES_MAX = 100_000;

const summaryStream = (text: string): string =>
  CREATED +
  IN_PROGRESS +
  event('response.completed', {
    sequence_number: 2,
    response: {
      id: 'resp_scripted',
      object: 'response',
      model: MODEL,
      status: 'completed',
      output: [
        { type: 'message', id: 'msg_1', role: 'assistant', content: [{ type: 'output_text', text, annotations: [] }] },
      ],
      usage: USAGE,
    },
  });

let gateway: TestGateway;
let first: ScriptedUpstream;
let second: ScriptedUpstream;
let firstId: string;
let modelId: string;
let issued: Issued;

beforeAll(async () => {
  [gateway, first, second] = await Promise.all([
    TestGateway.start(),
    ScriptedUpstream.start(),
    ScriptedUpstream.start(),
  ]);
  issued = await gateway.admin.issueKey();
});
afterAll(async () => {
  await gateway.stop();
  await Promise.all([first.close(), second.close()]);
});
beforeEach(async () => {
  const create = (fields: object) => gateway.admin.create<Upstream>('/upstreams', fields);
  // Made anew: what one test teaches of an upstream is not to be known in the next.
  firstId = (await create({ name: 'first', base_url: first.url, priority: 1 })).id;
  const { id } = await create({ name: 'second', base_url: second.url, priority: 2, compaction: 'emulate' });
  const upstreams = [{ upstream_id: firstId }, { upstream_id: id }];
  ({ id: modelId } = await gateway.admin.create<Model>('/models', {
    name: MODEL,
    upstreams,
    context_window_tokens: 20_000,
  }));
  second.behave = (response) => response.writeHead(200, SSE).end(summaryStream('by the second'));
});
afterEach(async () => {
  await gateway.admin.delete(`/models/${modelId}`);
  const { body } = await gateway.admin.get('/upstreams');
  for (const { id } of (body as { data: Upstream[] }).data) await gateway.admin.delete(`/upstreams/${id}`);
  first.calls.length = 0;
  second.calls.length = 0;
});

const compact = (input: Item[]): Promise<Answer> =>
  call(gateway.url, JSON.stringify({ model: MODEL, input }), { secret: issued.secret, path: '/v1/responses/compact' });
const isCompact = (url: string | undefined): boolean => url?.endsWith('/compact') ?? false;
const refuse = (response: ServerResponse, status: number, json: string): void =>
  void response.writeHead(status, JSON_TYPE).end(json);
/** Who has compacted: an upstream's answer has its own item only. */
const isNative = (answer: Answer): boolean => typesOf(outputOf(answer)).join() === 'compaction';

describe('an upstream that knows compaction', () => {
  it('is asked again after it could not read a conversation at once, which was then read in parts', async () => {
    first.behave = (response, { url }) => {
      if ((first.calls.at(-1)?.body.length ?? 0) > PART_BYTES_MAX) return refuse(response, 400, TOO_LONG);
      if (isCompact(url)) response.writeHead(200, JSON_TYPE).end(NATIVE_COMPACTION);
      else response.writeHead(200, SSE).end(summaryStream('a part'));
    };
    const answers = [await compact(SMALL), await compact(LARGE), await compact(SMALL)];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(answers.map(isNative)).toEqual([true, false, true]);
    const row = await gateway.row(answers[1]?.requestId ?? null);
    const summaries = first.calls.filter(({ request }) => !isCompact(request.url)).length;
    expect(row).toMatchObject({ input_tokens: summaries * USAGE.input_tokens, settlement: 'unpriced' });
  });

  it('is asked again after another one has stood in for it while it was busy', async () => {
    let isBusy = true;
    first.behave = (response) => {
      if (isBusy) refuse(response, 503, BUSY);
      else response.writeHead(200, JSON_TYPE).end(NATIVE_COMPACTION);
    };
    const stoodIn = await compact(SMALL);
    isBusy = false;
    expect([isNative(stoodIn), isNative(await compact(SMALL))]).toEqual([false, true]);
    expect((await gateway.row(stoodIn.requestId)).upstream_attempts).toMatchObject([
      { upstream_name: 'first', status: 503 },
      { upstream_name: 'second', status: 200, problem: null },
    ]);
  });

  it('is asked again after a call whose mistake was the client’s', async () => {
    let isWrong = true;
    first.behave = (response, { url }) => {
      if (isCompact(url) && isWrong) return refuse(response, 400, BAD_TOOL);
      if (isCompact(url)) response.writeHead(200, JSON_TYPE).end(NATIVE_COMPACTION);
      else response.writeHead(200, SSE).end(summaryStream('all the same'));
    };
    expect((await compact(SMALL)).status).toBe(200);
    isWrong = false;
    expect(isNative(await compact(SMALL))).toBe(true);
  });
});

describe('the calls for a summary', () => {
  beforeEach(() => gateway.admin.patch(`/upstreams/${firstId}`, { compaction: 'emulate' }));

  it('all end before the client is told that one of them failed, and what they used is in the row', async () => {
    let count = 0;
    first.behave = (response) => {
      response.writeHead(200, SSE).write(CREATED + IN_PROGRESS + DELTA);
      if (++count >= 3) response.end();
    };
    second.behave = first.behave;
    const answer = await compact(LARGE);
    expect(answer.status).toBe(502);
    const calls = [...first.calls, ...second.calls];
    await Promise.all(calls.map(({ response, closed }) => (response.writableEnded ? null : closed)));
    const row = await gateway.row(answer.requestId);
    expect(row).toMatchObject({ outcome: 'upstream_error', settlement: 'estimated' });
    expect(row.input_tokens).toBeGreaterThan(0);
    expect(row.upstream_attempts).toHaveLength(calls.length);
  });

  it('that broke off are told to be estimated', async () => {
    first.behave = (response) => {
      response.writeHead(200, SSE).write(CREATED + IN_PROGRESS + DELTA.repeat(50));
      setTimeout(() => response.end(), 20);
    };
    second.behave = first.behave;
    const answer = await compact(SMALL);
    expect(answer.status).toBe(502);
    const row = await gateway.row(answer.requestId);
    expect(row).toMatchObject({ settlement: 'estimated', usage_estimated: true });
    expect(row.output_tokens).toBeGreaterThan(40);
  });

  it('whose usage was not told are estimated', async () => {
    const untold = summaryStream('nobody counts').replace(JSON.stringify(USAGE), 'null');
    first.behave = (response) => response.writeHead(200, SSE).end(untold);
    const answer = await compact(SMALL);
    expect(answer.status).toBe(200);
    expect(await gateway.row(answer.requestId)).toMatchObject({ settlement: 'estimated', usage_estimated: true });
  });

  it('are never more at once than the upstream may get', async () => {
    await gateway.admin.patch(`/upstreams/${firstId}`, { max_concurrency: 1 });
    const { body } = await gateway.admin.get('/upstreams');
    const others = (body as { data: Upstream[] }).data.filter(({ id }) => id !== firstId);
    for (const { id } of others) await gateway.admin.post(`/upstreams/${id}/trip`);
    let running = 0;
    let most = 0;
    first.behave = (response) => {
      most = Math.max(most, ++running);
      setTimeout(() => {
        running--;
        response.writeHead(200, SSE).end(summaryStream('a part'));
      }, 10);
    };
    expect((await compact(LARGE)).status).toBe(200);
    expect(first.calls.length).toBeGreaterThan(3);
    expect(most).toBe(1);
  });

  it('are repeated after the pause that an upstream asks for', async () => {
    let count = 0;
    first.behave = (response) => {
      if (++count === 1) response.writeHead(429, { ...JSON_TYPE, 'retry-after-ms': '50' }).end(BUSY);
      else response.writeHead(200, SSE).end(summaryStream('at last'));
    };
    second.behave = first.behave;
    expect((await compact(CONVERSATION)).status).toBe(200);
  });
});
