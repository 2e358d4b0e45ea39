import { once } from 'node:events';
import { connect } from 'node:net';
import OpenAI from 'openai';
import OpenAI7 from 'openai-7';
import { directive, Simulator } from '../../apps/simulator/src/simulator.js';
import type { Issued } from '../support/admin-client.js';
import { Cable } from '../support/cable.js';
import { eventually } from '../support/eventually.js';
import { TestGateway } from '../support/gateway.js';
import { type Answer, call, callBody, eventsOf } from '../support/responses-client.js';
import { type Scene, startScene } from '../support/scene.js';

let scene: Scene;
let gateway: TestGateway;
let simulator: Simulator;
let issued: Issued;
let secret: string;

beforeAll(async () => {
  scene = await startScene();
  ({ gateway, simulator, issued, secret } = scene);
});
afterAll(() => scene.stop());

interface Created {
  id: string;
  status: string;
  output: { id: string }[];
  usage: object | null;
}

const json = <T = Created>({ body }: Answer): T => JSON.parse(body.toString()) as T;

async function create(fields: object = {}, input = 'hello'): Promise<Created> {
  const answer = await call(gateway.url, callBody(input, { stream: false, ...fields }), { secret });
  expect(answer.status).toBe(200);
  return json(answer);
}

const get = (path: string, options: { url?: string; secret?: string } = {}): Promise<Answer> =>
  call(options.url ?? gateway.url, null, { secret: options.secret ?? secret, method: 'GET', path });
const send = (method: string, path: string, headers: Record<string, string> = {}): Promise<Answer> =>
  call(gateway.url, null, { secret, method, path, headers });

const lastPath = () => simulator.exchanges.at(-1)?.path;

/** All that a client sees of an answer, with what differs by nature taken out. */
function fingerprint({ status, headers, body, requestId }: Answer, id: string): object {
  return {
    status,
    headers: Object.keys(headers).toSorted(),
    type: headers['content-type'],
    text: body.toString().replaceAll(id, 'ID').replaceAll(requestId, 'REQUEST'),
  };
}

function notFound(id: string): object {
  const message = `Response with id '${id}' not found.`;
  return { error: { message, type: 'invalid_request_error', param: null, code: null } };
}

/** Asks for a path as it is written: fetch and undici would tidy it up. */
async function rawGet(path: string): Promise<string> {
  const { hostname, port } = new URL(gateway.url);
  const socket = connect(Number(port), hostname);
  socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${secret}\r\n\r\n`);
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  return chunk.toString();
}

/** Every request that names a response, for the matrix of who may. */
const ROUTES = [
  ['GET', ''],
  ['GET', '?stream=true'],
  ['DELETE', ''],
  ['POST', '/cancel'],
  ['GET', '/input_items'],
] as const;

describe('a stored response', () => {
  it('is retrieved byte for byte as its upstream has it, and costs nothing a second time', async () => {
    const created = await create();
    for (const path of ['/v1/responses', '/responses']) {
      const answer = await get(`${path}/${created.id}?include[]=message.output_text.logprobs&api_key=x`);
      expect(answer.status).toBe(200);
      expect(answer.body.equals(simulator.exchanges.at(-1)?.sentBytes ?? Buffer.alloc(0))).toBe(true);
      expect(json(answer)).toEqual(created);
      expect(lastPath()).toBe(`/v1/responses/${created.id}?include%5B%5D=message.output_text.logprobs`);
      expect(await gateway.row(answer.requestId)).toMatchObject({
        kind: 'retrieve',
        model: 'gpt-5.5',
        response_id: created.id,
        upstream_id: issued.upstream?.id,
        status: 200,
        outcome: 'ok',
        settlement: 'final',
        input_tokens: 0,
        output_tokens: 0,
        cost_usd: '0',
      });
    }
  });

  it('is retrieved as it is created: whatever ran as a stream, too', async () => {
    const streamed = await call(gateway.url, callBody('hello'), { secret });
    const id = eventsOf(streamed.body)[0]?.response?.id ?? '';
    expect(json(await get(`/v1/responses/${id}`))).toEqual(eventsOf(streamed.body).at(-1)?.response);
  });

  it('lists its input, page by page', async () => {
    const input = ['one', 'two', 'three'].map((content) => ({ role: 'user', content }));
    const answer = await call(gateway.url, JSON.stringify({ model: 'gpt-5.5', input }), { secret });
    const { id } = json(answer);
    interface Page {
      data: { id: string; content: { text: string }[] }[];
      last_id: string;
      has_more: boolean;
    }
    const first = json<Page>(await get(`/v1/responses/${id}/input_items?limit=2&order=asc`));
    expect(first).toMatchObject({ has_more: true, data: [{}, {}] });
    const rest = await get(`/v1/responses/${id}/input_items?limit=2&order=asc&after=${first.last_id}&x=1`);
    expect(json<Page>(rest)).toMatchObject({ has_more: false, data: [{ content: [{ text: 'three' }] }] });
    expect(lastPath()).toBe(`/v1/responses/${id}/input_items?limit=2&order=asc&after=${first.last_id}`);
    expect(await gateway.row(rest.requestId)).toMatchObject({ kind: 'input_items', response_id: id, input_tokens: 0 });
  });

  it('is deleted once, and is unknown from then on', async () => {
    const { id } = await create();
    const path = `/v1/responses/${id}`;
    const deleted = await send('DELETE', path, { 'content-type': 'application/json', accept: '*/*' });
    expect(json(deleted)).toEqual({ id, object: 'response', deleted: true });
    expect(await gateway.row(deleted.requestId)).toMatchObject({ kind: 'delete', settlement: 'final', cost_usd: '0' });
    for (const again of [await send('DELETE', path), await get(path)]) {
      expect(again.status).toBe(404);
      expect(json(again)).toEqual(notFound(id));
    }
    await eventually('the row to be gone', async () => {
      const rows = await gateway.database.query(`SELECT FROM stored_ids WHERE id = $1`, [id]);
      return rows.length === 0 ? true : undefined;
    });
  });

  it('that its upstream has lost is told in the words for an unknown one', async () => {
    const { id } = await create();
    await fetch(`${simulator.baseUrl}/responses/${id}`, { method: 'DELETE' });
    const answer = await get(`/v1/responses/${id}`);
    const unknown = await get('/v1/responses/resp_never');
    expect(fingerprint(answer, id)).toEqual(fingerprint(unknown, 'resp_never'));
    expect(await gateway.row(answer.requestId)).toMatchObject({ upstream_status: 404, outcome: 'client_error' });
  });

  it('stays readable when the model is allowed no more', async () => {
    const other = await gateway.admin.issueKey({ models: ['gpt-5.5'] });
    const made = json(await call(gateway.url, callBody('hi', { stream: false }), { secret: other.secret }));
    await gateway.admin.patch(`/groups/${other.group.id}`, { models: ['gpt-4'] });
    expect((await get(`/v1/responses/${made.id}`, { secret: other.secret })).status).toBe(200);
  });

  it('is refused in its upstream’s own words where that knows better', async () => {
    const { id } = await create();
    const cancelled = await send('POST', `/v1/responses/${id}/cancel`);
    expect(cancelled).toMatchObject({ status: 400, error: { message: 'Cannot cancel a synchronous response.' } });
    expect(await gateway.row(cancelled.requestId)).toMatchObject({ kind: 'cancel', outcome: 'client_error' });
    expect(await get(`/v1/responses/${id}?stream=true`)).toMatchObject({ status: 400, error: { param: 'stream' } });
  });

  it.each(['-1', 'x', '1.5', ''])('refuses starting_after=%s', async (value) => {
    const { id } = await create();
    const answer = await get(`/v1/responses/${id}?stream=true&starting_after=${value}`);
    expect(answer).toMatchObject({ status: 400, error: { param: 'starting_after', type: 'invalid_request_error' } });
  });
});

describe('a background response', () => {
  it('is cancelled without a body, and is billed nothing', async () => {
    const { id, status } = await create({ background: true }, directive({ hold_after_events: 0 }));
    expect(status).toBe('queued');
    expect(json(await get(`/v1/responses/${id}`))).toMatchObject({ status: 'in_progress', usage: null });
    const cancelled = await send('POST', `/v1/responses/${id}/cancel`);
    expect(cancelled.status).toBe(200);
    expect(json(cancelled)).toMatchObject({ id, status: 'cancelled' });
    expect(simulator.exchanges.at(-1)?.headers['content-type']).toBeUndefined();
    // Idempotent, as the real service.
    expect(json(await send('POST', `/responses/${id}/cancel`))).toEqual(json(cancelled));
    simulator.release();
    expect(json(await get(`/v1/responses/${id}`))).toEqual(json(cancelled));
  });

  it('is billed by the first answer that shows its end, and by no other', async () => {
    simulator.ledger.reset();
    const other = await gateway.admin.issueKey();
    const asOther = { secret: other.secret };
    const body = callBody(directive({ hold_after_events: 0 }), { stream: false, background: true });
    const { id } = json(await call(gateway.url, body, asOther));
    const early = await get(`/v1/responses/${id}`, asOther);
    expect(await gateway.row(early.requestId)).toMatchObject({ settlement: 'final', output_tokens: 0 });
    simulator.release();
    const shown = await Promise.all(Array.from({ length: 5 }, () => get(`/v1/responses/${id}`, asOther)));
    shown.push(await get(`/v1/responses/${id}`, asOther));
    const rows = await Promise.all(shown.map(({ requestId }) => gateway.row(requestId)));
    const { inputTokens, outputTokens } = simulator.ledger.totals.overall;
    expect(rows.filter(({ output_tokens }) => output_tokens !== 0)).toMatchObject([
      { input_tokens: inputTokens, output_tokens: outputTokens, usage_source: 'response_body', model: 'gpt-5.5' },
    ]);
    expect(rows.map(({ outcome }) => outcome)).toEqual(rows.map(() => 'ok'));
  });

  it('is billed by its own stream when that reaches the end, and replayed for nothing', async () => {
    const created = await call(gateway.url, callBody('hello', { background: true }), { secret });
    const id = eventsOf(created.body)[0]?.response?.id ?? '';
    expect((await gateway.row(created.requestId)).output_tokens).toBeGreaterThan(0);
    const replay = await get(`/v1/responses/${id}?stream=true`);
    expect(replay.headers['content-type']).toBe('text/event-stream; charset=utf-8');
    expect(replay.body.equals(created.body)).toBe(true);
    expect(await gateway.row(replay.requestId)).toMatchObject({
      kind: 'retrieve',
      stream: true,
      outcome: 'ok',
      settlement: 'final',
      output_tokens: 0,
      response_id: id,
    });
    const rest = await get(`/v1/responses/${id}?stream=true&starting_after=4`);
    expect(eventsOf(rest.body)).toEqual(eventsOf(created.body).slice(5));
  });

  it('whose reader left is billed by the one who reads it to its end', async () => {
    const input = directive({ hold_after_events: 3 });
    const leaving = new AbortController();
    const started = await fetch(`${gateway.url}/v1/responses`, {
      method: 'POST',
      headers: { authorization: `Bearer ${secret}` },
      body: callBody(input, { background: true }),
      signal: leaving.signal,
    });
    const { value } = (await started.body?.getReader().read()) ?? {};
    const id = eventsOf(Buffer.from(value ?? []))[0]?.response?.id ?? '';
    const first = simulator.exchanges.at(-1);
    leaving.abort();
    await first?.closed;
    await gateway.row(started.headers.get('x-request-id'));
    const next = simulator.nextExchange();
    const replay = get(`/v1/responses/${id}?stream=true&starting_after=0`);
    await (await next).sent(2);
    simulator.release();
    const { body, requestId } = await replay;
    expect(eventsOf(body)[0]).toMatchObject({ sequence_number: 1 });
    expect(eventsOf(body).at(-1)).toMatchObject({ type: 'response.completed' });
    const row = await gateway.row(requestId);
    expect(row).toMatchObject({ usage_source: 'terminal_event', stream: true });
    expect(row.output_tokens).toBeGreaterThan(0);
    const again = await get(`/v1/responses/${id}`);
    expect((await gateway.row(again.requestId)).output_tokens).toBe(0);
  });

  it('has not failed when its replay breaks off: the reader sees a cut, and no terminal event', async () => {
    const input = directive({ fault: { kind: 'break_off', after_events: 6 } });
    const created = await call(gateway.url, callBody(input, { background: true }), { secret });
    expect(eventsOf(created.body).at(-1)).toMatchObject({ type: 'response.failed' });
    const id = eventsOf(created.body)[0]?.response?.id ?? '';
    const replay = await fetch(`${gateway.url}/v1/responses/${id}?stream=true`, {
      headers: { authorization: `Bearer ${secret}` },
    });
    await expect(replay.text()).rejects.toThrow();
    const row = await gateway.row(replay.headers.get('x-request-id'));
    expect(row).toMatchObject({ outcome: 'upstream_broke_off', output_tokens: null });
    expect(json(await get(`/v1/responses/${id}`))).toMatchObject({ status: 'completed' });
  });
});

describe.each([
  ['openai 6', OpenAI],
  ['openai 7', OpenAI7 as unknown as typeof OpenAI],
])('the SDK %s', (_, Client) => {
  it('does with stored responses what it does at OpenAI', async () => {
    const client = new Client({ apiKey: secret, baseURL: `${gateway.url}/v1`, maxRetries: 0 });
    const model = 'gpt-5.5';
    const created = await client.responses.create({ model, input: directive({ text: 'kept' }) });
    const kept = await client.responses.retrieve(created.id, { include: ['message.output_text.logprobs'] });
    expect(kept.output_text).toBe('kept');
    expect(decodeURIComponent(lastPath() ?? '')).toBe(
      `/v1/responses/${created.id}?include[]=message.output_text.logprobs`,
    );
    const items = [];
    for await (const item of client.responses.inputItems.list(created.id, { limit: 1, order: 'asc' })) items.push(item);
    expect(items).toHaveLength(1);
    await expect(client.responses.cancel(created.id)).rejects.toThrow('Cannot cancel a synchronous response.');
    await client.responses.delete(created.id);
    await expect(client.responses.retrieve(created.id)).rejects.toMatchObject({
      status: 404,
      code: null,
      message: `404 Response with id '${created.id}' not found.`,
    });

    const stream = await client.responses.create({ model, input: 'hello', background: true, stream: true });
    let id = '';
    for await (const event of stream) if (event.type === 'response.created') ({ id } = event.response);
    const types = [];
    for await (const event of await client.responses.retrieve(id, { stream: true, starting_after: 1 }))
      types.push(event.type);
    expect([types[0], types.at(-1)]).toEqual(['response.output_item.added', 'response.completed']);
  });
});

describe('a response of another group', () => {
  it('is answered exactly as one that never was, on every route', async () => {
    const { id } = await create({ background: true });
    const stranger = await gateway.admin.issueKey();
    const unknown = `resp_${'0'.repeat(50)}`;
    const before = simulator.exchanges.length;
    for (const [method, suffix] of ROUTES) {
      const ask = (asked: string) =>
        call(gateway.url, null, { secret: stranger.secret, method, path: `/v1/responses/${asked}${suffix}` });
      const [foreign, never] = await Promise.all([ask(id), ask(unknown)]);
      expect(json(foreign)).toEqual(notFound(id));
      expect(fingerprint(foreign, id)).toEqual(fingerprint(never, unknown));
      for (const { requestId } of [foreign, never]) {
        const row = await gateway.row(requestId);
        expect(row).toMatchObject({ status: 404, error_code: 'response_not_found', upstream_id: null, model: null });
        expect(row.response_id).toBeNull();
      }
    }
    expect(simulator.exchanges).toHaveLength(before);
    expect((await get(`/v1/responses/${id}`)).status).toBe(200);
  });

  it('is not opened by another key of the own group only: all its keys own it', async () => {
    const { id } = await create();
    const body = { name: 'second', group_id: issued.group.id };
    const second = await gateway.admin.create<{ secret: string }>('/keys', body);
    expect((await get(`/v1/responses/${id}`, { secret: second.secret })).status).toBe(200);
  });

  it('is not opened by an item that only repeats a foreign id', async () => {
    const owner = await create();
    const foreignItem = owner.output[0]?.id ?? '';
    const thief = await gateway.admin.issueKey();
    const input = [
      { type: 'message', role: 'user', id: foreignItem, content: 'mine' },
      { role: 'user', content: 'x' },
    ];
    const body = JSON.stringify({ model: 'gpt-5.5', input });
    const made = json(await call(gateway.url, body, { secret: thief.secret }));
    const listed = await get(`/v1/responses/${made.id}/input_items?order=asc`, { secret: thief.secret });
    const [stolen, own] = json<{ data: { id: string }[] }>(listed).data;
    expect(stolen?.id).toBe(foreignItem);
    const groupsOf = async (id: string | undefined) => {
      const rows = await gateway.database.query<{ group_id: string }>(
        `SELECT group_id FROM stored_ids WHERE kind = 'item' AND id = $1`,
        [id],
      );
      return rows.map(({ group_id }) => group_id);
    };
    const [thiefs] = await eventually('the own item', async () => {
      const groups = await groupsOf(own?.id);
      return groups.length > 0 ? groups : undefined;
    });
    const owners = await groupsOf(foreignItem);
    expect(owners).toHaveLength(1);
    expect(owners[0]).not.toBe(thiefs);
  });
});

describe('an id', () => {
  it.each([
    ['an encoded slash', '..%2F..%2Fadmin%2Fv1%2Fkeys'],
    ['a doubly encoded slash', '..%252Fmodels'],
    ['quotes', '%22%27%60%3Cb%3E'],
    ['a line break', 'resp_1%0D%0Ax-evil:1'],
    ['a NUL', 'resp_%00'],
    ['a long one', 'x'.repeat(290)],
    ['another script', '%D1%8F%F0%9F%98%80'],
    ['a name of a route', 'compact'],
  ])('of strange shape is unknown, and never reaches the upstream: %s', async (_, written) => {
    const before = simulator.exchanges.length;
    const answer = await get(`/v1/responses/${written}`);
    expect(answer.status).toBe(404);
    expect(json(answer)).toEqual(notFound(decodeURIComponent(written)));
    expect(Object.keys(answer.headers)).not.toContain('x-evil');
    expect(simulator.exchanges).toHaveLength(before);
  });

  it('is not taken apart by the router, and is no way up', async () => {
    const before = simulator.exchanges.length;
    for (const written of ['..', '.', '%2e%2e', '%2E']) {
      const id = decodeURIComponent(written);
      expect(await rawGet(`/v1/responses/${written}`)).toContain(`"message":"Response with id '${id}' not found."`);
    }
    for (const path of ['/v1/responses/a/b', '/v1/responses/../models/x/y', '/v1/responses/a/../../b/c']) {
      expect(await rawGet(path)).toMatch(/^HTTP\/1\.1 404 /);
    }
    expect(simulator.exchanges).toHaveLength(before);
  });
});

describe('an upstream', () => {
  it('that holds a response is asked for it, even when others come first', async () => {
    const { id } = await create();
    const second = await Simulator.start();
    const path = `/upstreams/${issued.upstream?.id}`;
    const added = await gateway.admin.create<{ id: string }>('/upstreams', {
      name: 'first-choice',
      kind: 'openai',
      base_url: second.baseUrl,
      priority: 1,
    });
    expect((await get(`/v1/responses/${id}`)).status).toBe(200);
    expect(second.exchanges).toEqual([]);

    const made = await create();
    expect(second.exchanges).toHaveLength(1);
    await gateway.admin.patch(`/upstreams/${added.id}`, { enabled: false });
    const disabled = await get(`/v1/responses/${made.id}`);
    expect(disabled).toMatchObject({ status: 503, error: { code: 'server_is_overloaded' } });
    expect(Number(disabled.headers['retry-after'])).toBeGreaterThan(0);
    await gateway.admin.patch(`/upstreams/${added.id}`, { enabled: true });
    await second.close();
    const unreachable = await get(`/v1/responses/${made.id}`);
    expect(unreachable).toMatchObject({ status: 503, error: { code: 'server_is_overloaded' } });
    await gateway.admin.delete(`/upstreams/${added.id}`);
    const gone = await get(`/v1/responses/${made.id}`);
    expect(fingerprint(gone, made.id)).toEqual(fingerprint(await get('/v1/responses/resp_never'), 'resp_never'));
    expect((await gateway.admin.get(path)).status).toBe(200);
  });
});

describe('what is known of ids', () => {
  it('outlives its process, and is the same on all replicas at once', async () => {
    const { database } = gateway;
    const old = await create();
    const replica = await TestGateway.start({ database });
    expect((await get(`/v1/responses/${old.id}`, { url: replica.url })).status).toBe(200);
    for (let i = 0; i < 5; i++) {
      for (const [here, there] of [
        [gateway.url, replica.url],
        [replica.url, gateway.url],
      ] as const) {
        const { id } = json(await call(here, callBody('hi', { stream: false }), { secret }));
        expect((await get(`/v1/responses/${id}`, { url: there })).status).toBe(200);
      }
    }
    await replica.stop();
  });

  it('is never “unknown” because PostgreSQL is away: memory serves, the rest is told to come back', async () => {
    const { database } = gateway;
    const url = new URL(database.url);
    const cable = await Cable.to(url.hostname, Number(url.port));
    url.port = String(cable.port);
    const away = await TestGateway.start({ database: { ...database, url: url.href } });
    const options = { url: away.url, secret };
    cable.cut();
    const { id } = json(await call(away.url, callBody('hi', { stream: false }), options));
    expect((await get(`/v1/responses/${id}`, options)).status).toBe(200);
    const refused = await get('/v1/responses/resp_never', options);
    expect(refused).toMatchObject({ status: 503, error: { code: 'server_is_overloaded' } });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);

    cable.mend();
    expect((await get('/v1/responses/resp_never', options)).status).toBe(404);
    await eventually('the id in PostgreSQL', async () => {
      const rows = await database.query('SELECT FROM stored_ids WHERE id = $1', [id]);
      return rows.length > 0 ? true : undefined;
    });
    await away.stop();
    cable.close();
  });
});
