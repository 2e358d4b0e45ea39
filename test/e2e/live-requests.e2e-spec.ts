import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import type { OpenRequest, OpenRequestList } from '../../libs/contract/src/index.js';
import { eventually } from '../support/eventually.js';
import type { TestGateway } from '../support/gateway.js';
import { MODEL, ReplicaPair, scriptedBody } from '../support/replica-pair.js';
import { call, eventsOf } from '../support/responses-client.js';
import { StreamClient } from '../support/stream-client.js';

let replicas: ReplicaPair;
let gateway: TestGateway;
/** Another replica on the same database. */
let other: TestGateway;

beforeAll(async () => {
  replicas = await ReplicaPair.start();
  ({ one: gateway, other } = replicas);
});
afterAll(() => replicas.stop());

async function listed(at: TestGateway, keyId: string): Promise<OpenRequest[]> {
  const { body } = await at.admin.get('/requests/in-flight?limit=200');
  return (body as OpenRequestList).data.filter((request) => request.key_id === keyId);
}

const inPhase = (keyId: string, phase: OpenRequest['phase']): Promise<OpenRequest> =>
  eventually(`a request in phase ${phase}`, async () =>
    (await listed(gateway, keyId)).find((request) => request.phase === phase),
  );

const abort = async (id: string, at = gateway) => {
  const { status, body } = await at.admin.post(`/requests/${id}/abort`);
  return { status, body: body as OpenRequest & { code: string } };
};

async function heldLimits(secret: string): Promise<number> {
  const { body } = await call(gateway.url, null, { secret, path: '/v1/usage', method: 'GET' });
  const { limits } = JSON.parse(body.toString()) as { limits: { used: number; limit: number; remaining: number }[] };
  return Math.max(...limits.map(({ limit, used, remaining }) => limit - used - remaining));
}

describe('requests in flight', () => {
  it('are listed with what is known of them, and forgotten when they end', async () => {
    const {
      key: { id },
      secret,
    } = await replicas.issue();
    const client = await StreamClient.open(gateway, scriptedBody({ hold_after_events: 4 }), {
      secret,
      headers: { 'user-agent': 'tester/1.0 (any)', 'session-id': 'session-live' },
    });
    await client.until('response.created');
    const open = await inPhase(id, 'answering');
    expect(open).toMatchObject({
      id: client.requestId,
      model: MODEL,
      upstream_name: 'only',
      attempts: 1,
      route: 'POST /v1/responses',
      kind: 'response',
      stream: true,
      session_id: 'session-live',
      client: 'tester/1.0',
      replica: expect.stringMatching(/./) as string,
    });
    expect(open.response_bytes).toBeGreaterThan(0);
    expect(open.age_ms).toBeGreaterThanOrEqual(0);
    client.leave();
    await eventually('an empty list', async () => ((await listed(gateway, id)).length === 0 ? true : undefined));
  });

  it('are listed page by page, oldest first', async () => {
    const {
      key: { id },
      secret,
    } = await replicas.issue();
    const clients: StreamClient[] = [];
    for (let i = 0; i < 3; i++) {
      clients.push(await StreamClient.open(gateway, scriptedBody({ hold_after_events: 4 }), { secret }));
    }
    const seen: string[] = [];
    let cursor = '';
    do {
      const { body } = await gateway.admin.get(`/requests/in-flight?limit=1${cursor && `&cursor=${cursor}`}`);
      const page = body as OpenRequestList;
      seen.push(...page.data.filter((request) => request.key_id === id).map((request) => request.id));
      cursor = page.next_cursor ?? '';
    } while (cursor !== '');
    expect(seen).toEqual(clients.map(({ requestId }) => requestId));
    for (const client of clients) client.leave();
  });

  it('are listed without those of a replica that does not answer, which the list says', async () => {
    const list = async () => (await gateway.admin.get('/requests/in-flight')).body as OpenRequestList;
    expect((await list()).silent_replicas).toBe(0);
    other.process.kill('SIGSTOP');
    try {
      expect((await list()).silent_replicas).toBe(1);
    } finally {
      other.process.kill('SIGCONT');
    }
  });
});

describe('a request that an operator aborts', () => {
  it('is told by response.failed inside its stream, costs an estimate, and gives everything back', async () => {
    const {
      key: { id },
      secret,
    } = await replicas.issue({ tokens_per_minute: 1_000_000, max_concurrency: 1 });
    const next = replicas.simulator.nextExchange();
    const client = await StreamClient.open(gateway, scriptedBody({ hold_after_events: 6 }), { secret });
    const exchange = await next;
    await client.until('response.output_text.delta');
    const aborted = await abort(client.requestId);
    expect(aborted).toMatchObject({ status: 202, body: { id: client.requestId, key_id: id, phase: 'answering' } });
    expect(await client.end()).toBe('end');
    await exchange.closed;
    expect(exchange.closedBy).toBe('client');
    const events = eventsOf(client.body);
    const last = events.at(-1) as unknown as { response: { error: { code: string; message: string } } };
    expect(last).toMatchObject({
      type: 'response.failed',
      sequence_number: events.length - 1,
      response: {
        id: exchange.responseId,
        error: { code: 'invalid_prompt', message: expect.stringMatching(/^An operator/) as string },
      },
    });
    expect(last.response.error.message).toContain('An operator');
    expect(await gateway.row(client.requestId)).toMatchObject({
      outcome: 'aborted',
      status: 200,
      error_code: 'aborted_by_operator',
      settlement: 'estimated',
      usage_source: 'estimate',
    });
    await eventually('limits given back', async () => (Math.abs(await heldLimits(secret)) < 1e-6 ? true : undefined));
    expect((await replicas.respond(secret)).status).toBe(200);
  });

  it('is told by an error that no client repeats while its upstream is silent', async () => {
    const {
      key: { id },
      secret,
    } = await replicas.issue();
    const next = replicas.simulator.nextExchange();
    const answer = call(gateway.url, scriptedBody({ first_delay_ms: 60_000 }), { secret });
    const exchange = await next;
    const open = await inPhase(id, 'waiting_for_upstream');
    expect((await abort(open.id)).status).toBe(202);
    const { status, error, headers, requestId } = await answer;
    expect([status, error?.code, headers['x-should-retry']]).toEqual([400, 'aborted_by_operator', 'false']);
    expect(requestId).toBe(open.id);
    await exchange.closed;
    expect(await gateway.row(open.id)).toMatchObject({
      outcome: 'aborted',
      status: 400,
      error_code: 'aborted_by_operator',
      settlement: 'estimated',
    });
  });

  it('leaves the queue while it waits for its turn, and has used nothing', async () => {
    const {
      key: { id },
      secret,
    } = await replicas.issue({ max_concurrency: 1, queue_wait_ms: 20_000 });
    const first = await StreamClient.open(gateway, scriptedBody({ hold_after_events: 4 }), { secret });
    const answer = call(gateway.url, scriptedBody({ deltas: 1 }), { secret });
    const open = await inPhase(id, 'waiting_for_turn');
    expect((await abort(open.id)).status).toBe(202);
    expect((await answer).error?.code).toBe('aborted_by_operator');
    expect(await gateway.row(open.id)).toMatchObject({ outcome: 'aborted', attempts: 0, output_tokens: null });
    first.leave();
    expect((await replicas.respond(secret)).status).toBe(200);
  });

  it('is told while its body has not come whole', async () => {
    const {
      key: { id },
      secret,
    } = await replicas.issue();
    const body = scriptedBody({ deltas: 1 });
    const request = httpRequest(`${gateway.url}/v1/responses`, {
      method: 'POST',
      agent: false,
      headers: { authorization: `Bearer ${secret}`, 'content-length': String(body.length) },
    });
    request.write(body.slice(0, 20));
    const answered = once(request, 'response');
    const open = await inPhase(id, 'preparing');
    expect((await abort(open.id)).status).toBe(202);
    const [response] = (await answered) as [{ statusCode: number }];
    expect(response.statusCode).toBe(400);
    request.end(body.slice(20));
    expect(await gateway.row(open.id)).toMatchObject({ outcome: 'aborted', error_code: 'aborted_by_operator' });
  });

  it('is ended at whichever replica the operator asks', async () => {
    const {
      key: { id },
      secret,
    } = await replicas.issue();
    const client = await StreamClient.open(other, scriptedBody({ hold_after_events: 4 }), { secret });
    const [[here], [there]] = [await listed(gateway, id), await listed(other, id)];
    expect(here).toEqual({ ...there, age_ms: expect.any(Number) as number });
    const { status, body } = await abort(client.requestId);
    expect(status).toBe(202);
    expect([body.id, body.replica]).toEqual([client.requestId, there?.replica]);
    expect(await client.end()).toBe('end');
    expect(client.text).toContain('An operator of this gateway has ended this request');
    await gateway.row(client.requestId);
    const audit = await replicas.database.query<{ action: string; actor: string }>(
      `SELECT action, actor FROM audit_entries WHERE object_id = $1`,
      [`${client.requestId.slice(4)}`.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')],
    );
    expect(audit).toEqual([{ action: 'request.abort', actor: 'admin_token' }]);
    // It has ended.
    expect((await abort(client.requestId)).status).toBe(404);
  });

  it('has to be open somewhere', async () => {
    expect(await abort(`req_${'0'.repeat(32)}`)).toMatchObject({ status: 404, body: { code: 'not_found' } });
  });
});
