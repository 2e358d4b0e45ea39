import type {
  Alert,
  CacheHealth,
  IssuedKey,
  IssuedWebhook,
  Page,
  Request,
  Session,
  Turn,
  Upstream,
} from '@app/contract';
import { Simulator } from '../../apps/simulator/src/simulator.js';
import { message, outputOf } from '../support/compaction-scene.js';
import { eventually } from '../support/eventually.js';
import { TestGateway } from '../support/gateway.js';
import { call } from '../support/responses-client.js';
import { ScriptedUpstream } from '../support/scripted-upstream.js';

let gateway: TestGateway;
let simulators: Simulator[];
let receiver: ScriptedUpstream;
let groupId: string;
let upstreams: Upstream[];
let names = 0;

const PRICES = { input_per_million_usd: '1', output_per_million_usd: '1' };

beforeAll(async () => {
  [gateway, receiver, ...simulators] = await Promise.all([
    TestGateway.start(),
    ScriptedUpstream.start(),
    Simulator.start({ name: 'first' }),
    Simulator.start({ name: 'second' }),
  ]);
  receiver.behave = (response) => response.writeHead(204).end();
  upstreams = await Promise.all(
    simulators.map(({ baseUrl }, priority) =>
      gateway.admin.create<Upstream>('/upstreams', { name: `upstream-${priority}`, base_url: baseUrl, priority }),
    ),
  );
  for (const name of ['gpt-5.5', 'gpt-5.6']) await gateway.admin.create('/models', { name, prices: PRICES });
  groupId = (await gateway.admin.issueKey()).group.id;
});
afterAll(async () => {
  await gateway.stop();
  await Promise.all([receiver, ...simulators].map((each) => each.close()));
});

/** A session of a key of its own, as each key is told of once an hour only. */
class TestSession {
  readonly id = `session-${names++}`;
  /** Fields of the next calls. */
  fields: Record<string, unknown> = {
    model: 'gpt-5.5',
    instructions: 'Be brief.',
    tools: [{ type: 'function', name: 'shell', parameters: { type: 'object' } }],
  };
  /** Some 50 000 characters, of which the simulator makes 12 500 tokens. */
  input: unknown[] = Array.from({ length: 10 }, (_, index) => message('user', `${index} ${'x'.repeat(5_000)}`));

  private constructor(readonly key: IssuedKey) {}

  static async begin(): Promise<TestSession> {
    const key = await gateway.admin.create<IssuedKey>('/keys', { name: `key-${names++}`, group_id: groupId });
    return new TestSession(key);
  }

  post(path: string, fields: object = {}, headers: Record<string, string> = {}) {
    const body = { ...this.fields, input: this.input, prompt_cache_key: this.id, store: false, ...fields };
    return call(gateway.url, JSON.stringify(body), {
      secret: this.key.secret,
      path,
      headers: { 'session-id': this.id, ...headers },
    });
  }

  /** One turn, which adds a message to the input; its row. */
  async turn(text = `turn ${this.input.length}`, headers: Record<string, string> = {}): Promise<Request> {
    this.input = [...this.input, message('user', text)];
    const answer = await this.post('/v1/responses', { stream: true }, headers);
    if (answer.status !== 200) throw new Error(`a turn was answered ${answer.status}: ${answer.body.toString()}`);
    return gateway.row(answer.requestId);
  }

  /** Turns after which the session is warm: the last of them has read more than 10 000 tokens from the cache. */
  async warmUp(): Promise<Request> {
    await this.turn();
    const second = await this.turn();
    if (!(Number(second.cached_tokens) > 10_000)) throw new Error(`only ${second.cached_tokens} tokens were cached`);
    return second;
  }

  async alerts(): Promise<Alert[]> {
    const { body } = await gateway.admin.get('/alerts?type=cache.dropped&limit=200');
    return (body as Page<Alert>).data.filter(({ object_id: id }) => id === this.key.id);
  }

  alert(): Promise<Alert> {
    return eventually('an alert of its key', async () => (await this.alerts())[0]);
  }
}

const turnsOf = async (id: string, query = '') =>
  (await gateway.admin.get(`/sessions/${id}/turns?${query}`)).body as Page<Turn>;
const drops = (cause: string) => gateway.metric(`tollgate_cache_drops_total{cause="${cause}"}`);

it('a session that goes on as it was stays silent, and shows what each turn read from the cache', async () => {
  const session = await TestSession.begin();
  const rows: Request[] = [];
  for (let turn = 0; turn < 4; turn++) rows.push(await session.turn());
  expect(rows.map(({ cache_drop: drop }) => drop)).toEqual([null, null, null, null]);
  const { data, next_cursor: cursor } = await turnsOf(session.id, 'limit=3');
  const { data: last } = await turnsOf(session.id, `limit=3&cursor=${cursor}`);
  expect([...data, ...last]).toEqual(
    rows.map((row) => ({
      request_id: row.id,
      started_at: row.started_at,
      model: 'gpt-5.5',
      upstream_id: upstreams[0]?.id,
      upstream_name: 'upstream-0',
      outcome: 'ok',
      input_tokens: row.input_tokens,
      cached_tokens: row.cached_tokens,
      cached_share: expect.closeTo((row.cached_tokens ?? 0) / (row.input_tokens ?? 0), 4),
      cache_drop: null,
    })),
  );
  expect(data.map(({ cached_share: share }) => (share ?? 0) > 0.9)).toEqual([false, true, true]);
  const { session: shown } = (await gateway.admin.get(`/sessions/${session.id}`)).body as { session: Session };
  expect(shown).toMatchObject({ turns: 4, cache_drops: 0 });
});

/** What the simulator is to say instead of what it would count: its cache has let go of the prompt. */
const EVICTED = '[[sim {"usage":{"input_tokens":15000,"input_tokens_details":{"cached_tokens":0},"output_tokens":1}}]]';

describe('a warm session that loses the cache', () => {
  const causes: Record<
    string,
    { change(session: TestSession): unknown; text?: string; item?: object; reason: string }
  > = {
    instructions: {
      change: ({ fields }) => (fields.instructions = 'Be brief. It is 12:00.'),
      reason: 'the instructions are not those of the turn before',
    },
    tools: { change: ({ fields }) => (fields.tools = []), reason: 'the tools are not those of the turn before' },
    input: {
      change: (session) => (session.input = session.input.with(2, { type: 'reasoning', summary: 'y'.repeat(5_100) })),
      item: { item_index: 2, item_type: 'reasoning' },
      reason: 'item 2 of the input (reasoning) is not what it was in the turn before',
    },
    model: {
      change: ({ fields }) => Object.assign(fields, { model: 'gpt-5.6', instructions: 'You are another.' }),
      reason: 'the model changed from gpt-5.5 to gpt-5.6',
    },
    unknown: {
      change: () => undefined,
      text: EVICTED,
      reason: 'instructions, tools and input go on as they were, so the provider has let go of them',
    },
  };

  it.each(Object.entries(causes))('tells of %s in its row, in metrics and by an alert', async (cause, told) => {
    const session = await TestSession.begin();
    const before = await session.warmUp();
    const count = await drops(cause);
    told.change(session);
    const row = await session.turn(told.text);
    expect(row.cache_drop).toEqual({
      cause,
      item_index: null,
      item_type: null,
      ...told.item,
      expected_tokens: before.input_tokens,
      cached_tokens: row.cached_tokens,
      idle_ms: expect.any(Number),
      previous_request_id: before.id,
    });
    const alert = await session.alert();
    const { name } = session.key;
    const data = { ...row.cache_drop, name, request_id: row.id, model: row.model, upstream: 'upstream-0' };
    expect(alert).toMatchObject({ severity: 'warning', object_type: 'key', resolved_at: null, data });
    expect(alert.message).toBe(
      `A session of the key ${name} read ${row.cached_tokens} of ${before.input_tokens} expected tokens from the prompt cache: ${told.reason}.`,
    );
    expect(await drops(cause)).toBe(count + 1);
    const { session: shown } = (await gateway.admin.get(`/sessions/${session.id}`)).body as { session: Session };
    expect(shown).toMatchObject({ turns: 3, cache_drops: 1 });
    for (const query of [`cache_drop=${cause}`, 'exclude_cache_drop=']) {
      const found = (await gateway.admin.get(`/requests?session=${session.id}&${query}`)).body as Page<Request>;
      // Whether its body is stored is told by the look-up of one request only.
      expect(found.data.map((one) => ({ has_body: false, ...one }))).toEqual([row]);
    }
    expect((await turnsOf(session.id)).data.map(({ cache_drop: drop }) => drop)).toEqual([null, null, row.cache_drop]);
  });

  it('tells that it was moved to another upstream, and goes on there in silence', async () => {
    const session = await TestSession.begin();
    await session.warmUp();
    await gateway.admin.post(`/upstreams/${upstreams[0]?.id}/trip`);
    try {
      const moved = await session.turn();
      expect(moved).toMatchObject({ upstream_name: 'upstream-1', cache_drop: { cause: 'upstream', cached_tokens: 0 } });
      expect((await session.turn()).cache_drop).toBeNull();
      expect(await session.alert()).toMatchObject({
        message: expect.stringContaining('it moved from the upstream upstream-0 to upstream-1'),
      });
    } finally {
      await gateway.admin.post(`/upstreams/${upstreams[0]?.id}/reset`);
    }
  });

  it('is one alert an hour for its key, delivered to the webhooks that want it', async () => {
    const fields = { name: `hook-${names++}`, types: ['cache.dropped'], url: receiver.url };
    const hook = await gateway.admin.create<IssuedWebhook>('/webhooks', fields);
    const session = await TestSession.begin();
    await session.warmUp();
    const rows: Request[] = [];
    for (const tools of [[], [{ type: 'web_search' }]]) {
      session.fields.tools = tools;
      rows.push(await session.turn());
    }
    expect(rows.map(({ cache_drop: drop }) => drop?.cause)).toEqual(['tools', 'tools']);
    const first = await session.alert();
    const told = () =>
      receiver.calls.map(({ body }) => JSON.parse(body.toString()) as { type: string; data: Record<string, unknown> });
    const delivered = await eventually('the delivery', async () =>
      told().find(({ data }) => data.alert_id === first.id),
    );
    expect(delivered).toMatchObject({
      type: 'cache.dropped',
      data: { object_id: session.key.id, cause: 'tools', request_id: rows[0]?.id },
    });
    await gateway.admin.delete(`/webhooks/${hook.id}`);
    // Of another key, and written behind what the second drop might have raised.
    const other = await TestSession.begin();
    await other.warmUp();
    other.fields.tools = [];
    await other.turn();
    await other.alert();
    // The clock may have struck in between.
    expect(new Set((await session.alerts()).map(({ created_at: at }) => at.slice(0, 13))).size).toBe(
      (await session.alerts()).length,
    );
  });

  it('raises no alarm over few tokens', async () => {
    const session = await TestSession.begin();
    session.input = session.input.slice(0, 4);
    const [, second] = [await session.turn(), await session.turn()];
    expect(second.cached_tokens).toBeGreaterThan(4_000);
    session.fields.tools = [];
    expect(await session.turn()).toMatchObject({ cache_drop: { cause: 'tools' } });
    const other = await TestSession.begin();
    await other.warmUp();
    other.fields.tools = [];
    await other.turn();
    await other.alert();
    expect(await session.alerts()).toEqual([]);
  });

  it('raises no alarm behind a compaction, which it was told of', async () => {
    const session = await TestSession.begin();
    await session.warmUp();
    const compacted = await session.post('/v1/responses/compact', { instructions: undefined, tools: undefined });
    expect(compacted.status).toBe(200);
    session.input = [message('user', `now ${'y'.repeat(10_000)}`), ...outputOf(compacted).slice(-1)];
    expect(await session.turn()).toMatchObject({ cache_drop: { cause: 'compaction' } });
    expect((await session.turn()).cache_drop).toBeNull();
    const { session: shown } = (await gateway.admin.get(`/sessions/${session.id}`)).body as { session: Session };
    expect(shown.cache_drops).toBe(0);
    expect(await session.alerts()).toEqual([]);
  });
});

describe('turns that are not compared', () => {
  it('are those of threads that share a session', async () => {
    const session = await TestSession.begin();
    const main = { 'thread-id': 'main' };
    await session.turn('one', main);
    const { input, fields } = session;
    session.input = [message('user', 'z'.repeat(50_000))];
    session.fields = { ...fields, instructions: 'You are a sub-agent.' };
    expect((await session.turn('sub', { 'thread-id': 'sub' })).cache_drop).toBeNull();
    Object.assign(session, { input, fields });
    await session.turn('two', main);
    expect((await session.turn('three', main)).cache_drop).toBeNull();
  });

  it('are those that were never answered, and those without a session', async () => {
    const session = await TestSession.begin();
    const warm = await session.warmUp();
    const { input } = session;
    session.input = [message('user', 'w'.repeat(50_000))];
    const failing = '[[sim {"fault":{"kind":"status","status":400}}]]';
    session.input.push(message('user', failing));
    expect((await session.post('/v1/responses', { stream: true })).status).toBe(400);
    session.input = input;
    session.fields.tools = [];
    expect(await session.turn()).toMatchObject({ cache_drop: { cause: 'tools', previous_request_id: warm.id } });
    const body = { ...session.fields, input: session.input, prompt_cache_key: undefined };
    const { requestId } = await call(gateway.url, JSON.stringify(body), { secret: session.key.secret });
    expect(await gateway.row(requestId)).toMatchObject({ session_id: null, cache_drop: null });
  });
});

describe('GET /cache-health', () => {
  const health = async (query: string) => (await gateway.admin.get(`/cache-health?${query}`)).body as CacheHealth;

  it('is the sum of the rows of whole hours, by what it is grouped by', async () => {
    const session = await TestSession.begin();
    const rows = [await session.turn(), await session.turn(), await session.turn()];
    const sum = (name: 'input_tokens' | 'cached_tokens' | 'cache_write_tokens') =>
      rows.reduce((total, row) => total + (row[name] ?? 0), 0);
    const { from, to, data } = await health('group_by=key');
    expect([from, to].map((time) => time.slice(14))).toEqual(['00:00.000Z', '00:00.000Z']);
    expect(data.find(({ key_id: id }) => id === session.key.id)).toEqual({
      key_id: session.key.id,
      key_name: session.key.name,
      requests: 3,
      input_tokens: sum('input_tokens'),
      cached_tokens: sum('cached_tokens'),
      cache_write_tokens: sum('cache_write_tokens'),
      cached_share: expect.closeTo(sum('cached_tokens') / sum('input_tokens'), 4),
    });
    const uncached = data.map((each) => each.input_tokens - each.cached_tokens);
    expect(uncached).toEqual(uncached.toSorted((one, other) => other - one));
    const [all] = (await health('')).data;
    for (const dimension of ['group', 'model', 'upstream']) {
      const parts = (await health(`group_by=${dimension}`)).data;
      expect(parts.reduce((total, part) => total + part.input_tokens, 0)).toBe(all?.input_tokens);
    }
    expect((await health('from=2026-01-01T00:00:00Z&to=2026-01-01T00:30:00Z')).data).toEqual([]);
  });

  it('says what is wrong with a question', async () => {
    const answer = (query: string) => gateway.admin.get(`/cache-health?${query}`);
    expect(await answer('group_by=session')).toMatchObject({ status: 422, body: { errors: [{ path: 'group_by' }] } });
    const backwards = 'from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z';
    expect(await answer(backwards)).toMatchObject({ status: 422, body: { errors: [{ path: 'to' }] } });
    expect((await gateway.admin.get('/sessions/never-seen/turns')).status).toBe(404);
  });
});
