import { directive, Simulator } from '../../apps/simulator/src/simulator.js';
import type { Upstream } from '../../libs/contract/src/index.js';
import { eventually } from '../support/eventually.js';
import { TestGateway } from '../support/gateway.js';
import { call, callBody, eventsOf } from '../support/responses-client.js';
import { StreamClient } from '../support/stream-client.js';

const NAMES = ['east', 'west', 'north'];
/** Longer than a circuit stays open after its first failures. */
const RECOVERY_MS_MAX = 15_000;

let gateway: TestGateway;
/** Another process on the same database. */
let replica: TestGateway;
const simulators = new Map<string, Simulator>();
let secret: string;

beforeAll(async () => {
  gateway = await TestGateway.start();
  const upstreams = await Promise.all(
    NAMES.map(async (name) => {
      const simulator = await Simulator.start({ name });
      simulators.set(name, simulator);
      return createUpstream({ name, base_url: simulator.baseUrl });
    }),
  );
  await gateway.admin.create('/models', {
    name: 'spread',
    upstreams: upstreams.map(({ id }) => ({ upstream_id: id })),
  });
  ({ secret } = await gateway.admin.issueKey());
  replica = await TestGateway.start({ database: gateway.database });
});
afterAll(async () => {
  await replica.stop();
  await gateway.stop();
  await Promise.all([...simulators.values()].map((simulator) => simulator.close()));
});

const createUpstream = (fields: object) => gateway.admin.create<Upstream>('/upstreams', fields);
const sessions = (count: number, prefix = 'session') =>
  Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
const bodyOf = (session: string, model = 'spread', script: object = {}) =>
  callBody(`hello ${directive(script)}`, { model, prompt_cache_key: session });

/** The upstream that answers a session's next call. */
async function placeOf(session: string, { model = 'spread', at = gateway } = {}): Promise<string> {
  const answer = await call(at.url, bodyOf(session, model), { secret });
  expect(answer.status).toBe(200);
  return (await gateway.row(answer.requestId)).upstream_name ?? '';
}

/** The same for many sessions, a few at a time. */
async function placesOf(all: readonly string[], options: Parameters<typeof placeOf>[1] = {}): Promise<string[]> {
  const places: string[] = [];
  for (let start = 0; start < all.length; start += 25) {
    places.push(...(await Promise.all(all.slice(start, start + 25).map((session) => placeOf(session, options)))));
  }
  return places;
}

const sharesOf = (places: readonly string[]) =>
  new Map(NAMES.map((name) => [name, places.filter((at) => at === name).length]));

describe('a session', () => {
  it('stays at one upstream, the same one on every replica, and sessions spread', async () => {
    const all = sessions(20);
    const places = await placesOf(all);
    expect(await placesOf(all)).toEqual(places);
    expect(await placesOf(all, { at: replica })).toEqual(places);
    for (const name of NAMES) expect(sharesOf(places).get(name)).toBeGreaterThan(0);
  });

  it('is known by its session-id header when it has no prompt_cache_key', async () => {
    const ask = async (session: string) => {
      const body = callBody('hello', { model: 'spread' });
      const { requestId } = await call(gateway.url, body, { secret, headers: { 'session-id': session } });
      return (await gateway.row(requestId)).upstream_name;
    };
    for (const session of sessions(5, 'codex')) {
      const first = await ask(session);
      expect([await ask(session), await ask(session)]).toEqual([first, first]);
    }
  });

  it('moves only when it has to: an upstream that is disabled loses its own, and gets them back', async () => {
    const all = sessions(30, 'moving');
    const before = await placesOf(all);
    const { body } = await gateway.admin.get('/upstreams');
    const west = (body as { data: Upstream[] }).data.find(({ name }) => name === 'west');
    await gateway.admin.patch(`/upstreams/${west?.id}`, { enabled: false });
    const during = await placesOf(all);
    expect(during).not.toContain('west');
    for (const [index, place] of before.entries()) if (place !== 'west') expect(during[index]).toBe(place);
    await gateway.admin.patch(`/upstreams/${west?.id}`, { enabled: true });
    expect(await placesOf(all)).toEqual(before);
  });
});

describe('an upstream that dies under 200 streams', () => {
  it('takes no request along that had not begun to stream; sessions of the living stay; its own return', async () => {
    const all = sessions(100, 'load');
    const before = await placesOf(all);
    expect(sharesOf(before).get('east')).toBeGreaterThan(10);
    const counts = new Map([...simulators].map(([name, { exchanges }]) => [name, exchanges.length]));

    // Half of the streams have begun when it happens, half have not: their upstreams have only sent a head.
    const begun = await Promise.all(
      all.map(async (session) => {
        const client = await StreamClient.open(gateway, bodyOf(session, 'spread', { hold_after_events: 6 }), {
          secret,
        });
        await client.until('response.output_text.delta');
        return client;
      }),
    );
    const waiting = all.map((session) =>
      call(gateway.url, bodyOf(session, 'spread', { hold_after_events: 0 }), { secret }),
    );
    await eventually('200 calls at the upstreams', () => {
      const arrived = [...simulators].flatMap(([name, { exchanges }]) => exchanges.slice(counts.get(name)));
      return arrived.length === 200 && arrived.every(({ status }) => status === 200) ? true : undefined;
    });

    const victim = simulators.get('east') as Simulator;
    const { port } = new URL(victim.url);
    await victim.close();
    const survivors = [...simulators.values()].filter((simulator) => simulator !== victim);
    let areAllOver = false;
    const over = Promise.all([Promise.all(waiting), Promise.all(begun.map((client) => client.end()))]).then((ends) => {
      areAllOver = true;
      return ends;
    });
    await eventually(
      'the end of all streams',
      () => {
        // Those that moved are held at their new place, too.
        for (const simulator of survivors) simulator.release();
        return areAllOver ? true : undefined;
      },
      RECOVERY_MS_MAX,
    );
    const [answers, ends] = await over;

    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    expect(answers.filter(({ body }) => eventsOf(body).at(-1)?.type !== 'response.completed')).toEqual([]);
    expect(ends.filter((end) => end !== 'end')).toEqual([]);
    for (const [index, client] of begun.entries()) {
      const expected = before[index] === 'east' ? 'response.failed' : 'response.completed';
      expect(eventsOf(client.body).at(-1)?.type).toBe(expected);
    }
    const moved = answers[before.indexOf('east')];
    expect(await gateway.row(moved?.requestId ?? null)).toMatchObject({ outcome: 'ok', attempts: 2 });

    const after = await placesOf(all);
    for (const [index, place] of before.entries()) {
      if (place === 'east') expect(after[index]).not.toBe('east');
      else expect(after[index]).toBe(place);
    }
    for (const name of ['west', 'north']) {
      const heirs = after.filter((place, index) => before[index] === 'east' && place === name);
      expect(heirs.length).toBeGreaterThan(0);
    }

    simulators.set('east', await Simulator.start({ name: 'east', port: Number(port) }));
    const orphan = all[before.indexOf('east')] ?? '';
    await eventually(
      'the first session back',
      async () => ((await placeOf(orphan)) === 'east' ? true : undefined),
      RECOVERY_MS_MAX,
    );
    expect(await placesOf(all)).toEqual(before);
  }, 60_000);
});

describe('weights and bounds', () => {
  it('sessions are shared by weight', async () => {
    const baseUrl = simulators.get('west')?.baseUrl;
    const heavy = await createUpstream({ name: 'heavy', base_url: baseUrl, weight: 3 });
    const light = await createUpstream({ name: 'light', base_url: baseUrl, weight: 1 });
    const upstreams = [heavy, light].map(({ id }) => ({ upstream_id: id }));
    await gateway.admin.create('/models', { name: 'weighted', upstreams });
    const places = await placesOf(sessions(300, 'weighed'), { model: 'weighted' });
    const share = places.filter((place) => place === 'heavy').length / places.length;
    expect(share).toBeGreaterThan(0.65);
    expect(share).toBeLessThan(0.85);
  });

  it('an upstream gets no more calls at once than max_concurrency; the others go elsewhere, then nowhere', async () => {
    const simulator = simulators.get('north') as Simulator;
    const base_url = simulator.baseUrl;
    const narrow = await createUpstream({ name: 'narrow', base_url, priority: 1, max_concurrency: 2 });
    const wide = await createUpstream({ name: 'wide', base_url, priority: 2, max_concurrency: 3 });
    const upstreams = [narrow, wide].map(({ id }) => ({ upstream_id: id }));
    await gateway.admin.create('/models', { name: 'bounded', upstreams });

    const clients: StreamClient[] = [];
    for (const session of sessions(5, 'bounded')) {
      const body = bodyOf(session, 'bounded', { hold_after_events: 6 });
      const client = await StreamClient.open(gateway, body, { secret });
      await client.until('response.output_text.delta');
      clients.push(client);
    }
    const refused = await call(gateway.url, bodyOf('one-more', 'bounded'), { secret });
    expect([refused.status, refused.error?.code]).toEqual([503, 'server_is_overloaded']);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    simulator.release();
    await Promise.all(clients.map((client) => client.end()));
    const rows = await Promise.all(clients.map(({ requestId }) => gateway.row(requestId)));
    expect(rows.map((row) => row.upstream_name)).toEqual(['narrow', 'narrow', 'wide', 'wide', 'wide']);
    expect(await placeOf('bounded-4', { model: 'bounded' })).toBe('narrow');
  });
});
