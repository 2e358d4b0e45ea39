import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import type { Upstream } from '../../libs/contract/src/index.js';
import { TestGateway } from '../support/gateway.js';
import { type Answer, call, callBody, eventsOf } from '../support/responses-client.js';

let gateway: TestGateway;
let server: Server;
let secret: string;
/** What the upstream does with the next call. */
let behave: (response: ServerResponse, request: IncomingMessage) => void;

beforeAll(async () => {
  server = createServer((request, response) => request.resume().on('end', () => behave(response, request)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  gateway = await TestGateway.start();
  const upstreamBaseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  ({ secret } = await gateway.admin.issueKey({ upstreamBaseUrl }));
});
afterAll(async () => {
  await gateway.stop();
  server.closeAllConnections();
  server.close();
});

async function ask(
  how: typeof behave,
  fields: object = {},
): Promise<{ answer: Answer; row: () => ReturnType<TestGateway['row']> }> {
  behave = how;
  const answer = await call(gateway.url, callBody('hello', fields), { secret });
  return { answer, row: () => gateway.row(answer.requestId) };
}

const SSE = { 'content-type': 'text/event-stream' };
const JSON_TYPE = { 'content-type': 'application/json' };
const usage = { input_tokens: 11, output_tokens: 7, total_tokens: 18 };
const event = (data: { type: string }) => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
const created = event({ type: 'response.created', sequence_number: 40, response: { id: 'resp_x' } } as never);
const completed = event({
  type: 'response.completed',
  sequence_number: 41,
  response: { id: 'resp_x', status: 'completed', usage },
} as never);
const error = event({
  type: 'error',
  sequence_number: 41,
  error: { code: 'insufficient_quota', message: 'No money.' },
} as never);
const failed = event({
  type: 'response.failed',
  sequence_number: 42,
  response: { id: 'resp_x', status: 'failed', error: { code: 'insufficient_quota', message: 'No money.' }, usage },
} as never);

describe('an upstream that says odd things', () => {
  it('may end a stream with error and response.failed, in one write or two: the usage counts', async () => {
    for (const pieces of [[created, error, failed], [created + error + failed]]) {
      const { answer, row } = await ask((response) => {
        response.writeHead(200, SSE);
        for (const piece of pieces) response.write(piece);
        response.end();
      });
      expect(answer.body.toString()).toBe(created + error + failed);
      expect(await row()).toMatchObject({
        outcome: 'upstream_error',
        input_tokens: 11,
        error_code: 'insufficient_quota',
      });
    }
  });

  it('never leaves a client with a bare error event', async () => {
    const { answer, row } = await ask((response) => {
      response.writeHead(200, SSE);
      response.end(created + error);
    });
    expect(eventsOf(answer.body).at(-1)).toMatchObject({
      type: 'response.failed',
      sequence_number: 42,
      response: { id: 'resp_x', error: { code: 'insufficient_quota', message: 'No money.' } },
    });
    expect(await row()).toMatchObject({ outcome: 'upstream_error', error_code: 'insufficient_quota' });
  });

  it('may keep the connection open behind the terminal event: the client’s answer ends all the same', async () => {
    let closed: Promise<unknown> = Promise.resolve();
    const { answer, row } = await ask((response, request) => {
      closed = once(request.socket, 'close');
      response.writeHead(200, SSE);
      response.write(created + completed);
    });
    expect(answer.body.toString()).toBe(created + completed);
    await closed;
    expect(await row()).toMatchObject({ outcome: 'ok', output_tokens: 7 });
  });

  it('may write its content type as it likes', async () => {
    const { answer } = await ask((response) =>
      response.writeHead(200, { 'content-type': 'Text/Event-Stream' }).end(created + completed),
    );
    expect(answer.body.toString()).toBe(created + completed);
  });

  it('is told off for compressing what was not to be compressed', async () => {
    const { answer, row } = await ask((response) =>
      response.writeHead(200, { ...SSE, 'content-encoding': 'gzip' }).end(gzipSync(created + completed)),
    );
    expect(answer.status).toBe(502);
    expect(await row()).toMatchObject({ outcome: 'upstream_error', settlement: 'interrupted', upstream_status: 200 });
  });

  it('cannot break the answer’s head with a header or a model that HTTP cannot carry', async () => {
    const { answer, row } = await ask(
      (response) => response.writeHead(200, { ...SSE, 'openai-model': 'gpt' }).end(created + completed),
      {
        model: '模型',
      },
    );
    expect(answer.status).toBe(200);
    expect(answer.headers).not.toHaveProperty('openai-model');
    expect(await row()).toMatchObject({ model: '模型', outcome: 'ok' });
  });

  it('may answer with a JSON of 9 MB, whose usage is read', async () => {
    const body = JSON.stringify({ id: 'resp_big', status: 'completed', output: ['x'.repeat(9_000_000)], usage });
    const { answer, row } = await ask((response) => response.writeHead(200, JSON_TYPE).end(body), { stream: false });
    expect(answer.body.toString() === body).toBe(true);
    expect(await row()).toMatchObject({ response_id: 'resp_big', input_tokens: 11, settlement: 'unpriced' });
  });

  it('may refuse in a shape of its own: the client reads OpenAI’s', async () => {
    const { answer, row } = await ask((response) => response.writeHead(404, JSON_TYPE).end('{"detail":"Not Found"}'));
    expect(answer.status).toBe(404);
    expect(answer.error).toMatchObject({
      type: 'invalid_request_error',
      message: expect.stringContaining('Not Found'),
    });
    expect(await row()).toMatchObject({ outcome: 'client_error', status: 404 });
  });

  it('cannot pass an error off as an answer', async () => {
    const { answer, row } = await ask(
      (response) => response.writeHead(200, JSON_TYPE).end('{"error":{"message":"broken"}}'),
      {
        stream: false,
      },
    );
    expect(answer.status).toBe(502);
    expect(await row()).toMatchObject({ outcome: 'upstream_error', upstream_status: 200 });
  });

  it('cannot make a row vanish with numbers that no table holds', async () => {
    const huge = { input_tokens: Number.MAX_SAFE_INTEGER, output_tokens: 1 };
    const body = JSON.stringify({ id: 'resp_\u0000', status: 'completed', output: [], usage: huge });
    const { row } = await ask((response) => response.writeHead(200, JSON_TYPE).end(body), { stream: false });
    expect(await row()).toMatchObject({ outcome: 'ok', settlement: 'estimated', usage_estimated: true });
  });
});

describe('a gateway that is told to stop', () => {
  it('ends running streams with response.failed at the second signal, and logs them', async () => {
    const stopping = await TestGateway.start();
    const upstream = await stopping.admin.create<Upstream>('/upstreams', {
      name: 'slow',
      base_url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    });
    expect(upstream.state).toBe('healthy');
    const { secret: key } = await stopping.admin.issueKey();
    let started: () => void = () => undefined;
    const isStarted = new Promise<void>((resolve) => (started = resolve));
    behave = (response) => {
      response.writeHead(200, SSE).write(created, () => started());
    };
    const running = call(stopping.url, callBody('hello'), { secret: key });
    await isStarted;
    const exited = once(stopping.process, 'exit');
    // Two of a kind sent at once may arrive as one.
    stopping.process.kill('SIGTERM');
    stopping.process.kill('SIGINT');
    const answer = await running;
    expect(eventsOf(answer.body).at(-1)).toMatchObject({ type: 'response.failed', sequence_number: 41 });
    expect((await exited)[0]).toBe(0);
    const rows = await stopping.database.query<{ outcome: string; settlement: string }>('SELECT * FROM request_log');
    expect(rows).toMatchObject([{ outcome: 'gateway_error', settlement: 'partial' }]);
    await stopping.stop();
  });
});
