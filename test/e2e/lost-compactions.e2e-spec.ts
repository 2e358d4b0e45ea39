import type { Upstream } from '../../libs/contract/src/index.js';
import { Simulator } from '../../apps/simulator/src/simulator.js';
import { CONVERSATION, FACT, type Item, itemOf, message, MODEL } from '../support/compaction-scene.js';
import { TestGateway } from '../support/gateway.js';
import { type Answer, call } from '../support/responses-client.js';

let gateway: TestGateway;
let native: Simulator;
let other: Simulator;
let nativeId: string;
let secret: string;
let refusingSecret: string;

beforeAll(async () => {
  [gateway, native, other] = await Promise.all([
    TestGateway.start(),
    Simulator.start({ compaction: 'native', name: 'native', isStrict: true }),
    Simulator.start({ compaction: 'unknown', name: 'other', isStrict: true }),
  ]);
  const create = (fields: object) => gateway.admin.create<Upstream>('/upstreams', fields);
  nativeId = (await create({ name: 'native', base_url: native.baseUrl, priority: 1 })).id;
  await create({ name: 'other', base_url: other.baseUrl, priority: 2 });
  const [stripping, refusing] = [await gateway.admin.issueKey(), await gateway.admin.issueKey()];
  await gateway.admin.patch(`/groups/${refusing.group.id}`, { encrypted_content_on_move: 'refuse' });
  [secret, refusingSecret] = [stripping.secret, refusing.secret];
});
afterAll(async () => {
  await gateway.stop();
  await Promise.all([native.close(), other.close()]);
});
afterEach(() => gateway.admin.post(`/upstreams/${nativeId}/reset`));

function post(input: unknown[], by = secret): Promise<Answer> {
  return call(gateway.url, JSON.stringify({ model: MODEL, input, stream: true, store: false }), { secret: by });
}

async function compacted(input: Item[], by = secret): Promise<Item> {
  const item = itemOf(await post([...input, { type: 'compaction_trigger' }], by));
  expect(item?.encrypted_content).toMatch(/^gAAAAAB/);
  return item as Item;
}

const contextAtOther = () => other.contextOf(other.exchanges.at(-1) as never);
const next = message('user', 'And now?');

describe('a session with a compaction of an upstream', () => {
  it('stays there while it is well', async () => {
    const item = await compacted(CONVERSATION);
    const answer = await post([message('user', 'Build the gateway.'), item, next]);
    expect(answer.status).toBe(200);
    expect(await gateway.row(answer.requestId)).toMatchObject({ upstream_name: 'native' });
    expect(native.exchanges.at(-1)?.body.toString()).toContain(item.encrypted_content);
  });

  it('goes on elsewhere when it is lost, with all that was said', async () => {
    const first = await compacted(CONVERSATION);
    const second = await compacted([
      message('user', 'Build the gateway.'),
      first,
      message('assistant', 'FACT-TWO is one.'),
    ]);
    await gateway.admin.post(`/upstreams/${nativeId}/trip`);
    const answer = await post([message('user', 'Build the gateway.'), second, next]);
    expect(answer.status).toBe(200);
    expect(await gateway.row(answer.requestId)).toMatchObject({ upstream_name: 'other', outcome: 'ok' });
    expect(contextAtOther()).toContain(FACT);
    expect(contextAtOther()).toContain('FACT-TWO is one');
    expect(contextAtOther()).not.toContain(second.encrypted_content);
  });

  it('is compacted elsewhere when it is lost', async () => {
    const item = await compacted(CONVERSATION);
    await gateway.admin.post(`/upstreams/${nativeId}/trip`);
    const answer = await post([message('user', 'Build the gateway.'), item, next, { type: 'compaction_trigger' }]);
    expect(answer.status).toBe(200);
    expect(itemOf(answer)?.encrypted_content).toMatch(/^tgc1\./);
    await post([message('user', 'Build the gateway.'), itemOf(answer), next]);
    expect(contextAtOther()).toContain(FACT);
  });

  it('has a long history summarised for the one that takes over, once', async () => {
    await gateway.admin.create('/models', { name: MODEL, context_window_tokens: 4_000 });
    const long = message('assistant', `${FACT}. ${'all work and no play '.repeat(300)}`);
    const item = await compacted([message('user', 'Build the gateway.'), long]);
    await gateway.admin.post(`/upstreams/${nativeId}/trip`);
    const before = other.exchanges.length;
    for (let count = 0; count < 2; count++) {
      expect((await post([message('user', 'Build the gateway.'), item, next])).status).toBe(200);
      expect(contextAtOther()).toContain(FACT);
      expect(contextAtOther()).not.toContain('all work');
    }
    expect(other.exchanges).toHaveLength(before + 3);
  });

  it('is told that something is missing when nobody knows what it was', async () => {
    const item = await compacted(CONVERSATION);
    await gateway.admin.post(`/upstreams/${nativeId}/trip`);
    const [stranger] = [await gateway.admin.issueKey()];
    const answer = await post([message('user', 'Build the gateway.'), item, next], stranger.secret);
    expect(answer.status).toBe(200);
    expect(contextAtOther()).toContain('its summary cannot be read');
    expect(contextAtOther()).not.toContain(FACT);
  });

  it('is refused for a group that wants that', async () => {
    const item = await compacted(CONVERSATION, refusingSecret);
    await gateway.admin.post(`/upstreams/${nativeId}/trip`);
    const answer = await post([message('user', 'Build the gateway.'), item, next], refusingSecret);
    expect([answer.status, answer.error?.code]).toEqual([400, 'invalid_encrypted_content']);
  });
});
