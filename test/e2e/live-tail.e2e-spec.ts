import type { IssuedAdminToken, Role } from '../../libs/contract/src/index.js';
import { eventually } from '../support/eventually.js';
import { TestGateway } from '../support/gateway.js';
import { LiveClient } from '../support/live-client.js';
import { OperatorClient } from '../support/operator-client.js';
import { ReplicaPair } from '../support/replica-pair.js';
import { type Answer, call } from '../support/responses-client.js';
import { seedRequests } from '../support/seeded-requests.js';

const LOAD_ROUNDS = 20;
const LOAD_GIVE_UP_MS = 20_000;
const DAY_MS = 86_400_000;

let replicas: ReplicaPair;
let gateway: TestGateway;
/** Another replica on the same database. */
let other: TestGateway;
let owner: OperatorClient;

beforeAll(async () => {
  replicas = await ReplicaPair.start();
  ({ one: gateway, other } = replicas);
  // The link that the newest replica has printed is the one that counts.
  owner = await OperatorClient.firstOwner(other);
});
afterAll(() => replicas.stop());

describe('the live tail', () => {
  it('tells 50 readers of each request as the list shows it, whichever replica served it', async () => {
    const { key, secret } = await replicas.issue();
    const tails = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        LiveClient.open(index % 2 === 0 ? gateway : other, `kind=response&key=${key.id}`),
      ),
    );
    const ids: string[] = [];
    for (const at of [gateway, other, gateway, other]) {
      const { requestId } = await replicas.respond(secret, at);
      ids.push(requestId);
      const events = await Promise.all(tails.map((tail) => tail.event(requestId)));
      // The look-up of one request says besides whether its body is stored.
      const shown = { has_body: false, ...events[0]?.data };
      expect(shown).toEqual(await gateway.row(requestId));
      expect(events[1]?.data).toEqual(events[0]?.data);
    }
    for (const tail of tails) {
      expect(tail.ids).toEqual(ids);
      tail.leave();
    }
  });

  it('tells only what its filters find, and refuses what are none', async () => {
    const [one, two] = [await replicas.issue(), await replicas.issue()];
    const filters = `key=${one.key.id}&key=${two.key.id}&status=4xx&exclude_model=none&client_ip=127.0.0.0/8`;
    const tail = await LiveClient.open(gateway, `${filters}&attempts_max=0`);
    const refuse = ({ secret }: { secret: string }, model: string) =>
      call(gateway.url, JSON.stringify({ model, previous_response_id: 'resp_none' }), { secret });
    await replicas.respond(one.secret);
    const refused = await refuse(two, 'gpt-5.5');
    await refuse(two, 'none');
    const last = await refuse(one, 'gpt-5.5');
    await tail.event(last.requestId);
    expect(tail.ids).toEqual([refused.requestId, last.requestId]);
    tail.leave();
    for (const query of ['status=9', 'key=none', 'outcome=well', 'order=asc', 'after=req_1', 'cost_usd_min=x']) {
      expect((await LiveClient.open(gateway, query)).status).toBe(422);
    }
    for (const lastEventId of ['1', 'req_1', `key_${'0'.repeat(32)}`]) {
      expect((await LiveClient.open(gateway, '', lastEventId)).status).toBe(422);
    }
    expect((await call(gateway.url, null, { path: '/admin/v1/requests/live', method: 'GET' })).status).toBe(401);
  });

  it.each([
    ['the same replica: none twice, none missing', false],
    ['another replica: none missing', true],
  ])('goes on under load behind the last event that a reader has seen, at %s', async (_, changesReplica) => {
    const { key, secret } = await replicas.issue();
    const seen: string[] = [];
    let lastEventId: string | undefined;
    const made: Promise<Answer>[] = [];
    const load = { isOver: false };
    const loaded = (async () => {
      for (let round = 0; round < LOAD_ROUNDS; round++) {
        const batch = Array.from({ length: 8 }, (__, n) =>
          replicas.respond(secret, n % 2 ? other : gateway, { deltas: n }),
        );
        made.push(...batch);
        await Promise.all(batch);
      }
      load.isOver = true;
    })();
    // A reader that keeps losing its connection.
    let tail = await LiveClient.open(gateway, `kind=response&key=${key.id}`);
    let returns = 0;
    const take = () => {
      seen.push(...tail.ids);
      lastEventId = tail.events.at(-1)?.id ?? lastEventId;
    };
    while (!load.isOver) {
      await eventually(
        'more events',
        () => (load.isOver || tail.events.length >= 15 ? true : undefined),
        LOAD_GIVE_UP_MS,
      );
      take();
      tail.leave();
      tail = await LiveClient.open(
        changesReplica && ++returns % 2 ? other : gateway,
        `kind=response&key=${key.id}`,
        lastEventId,
      );
    }
    await loaded;
    const ids = (await Promise.all(made)).map(({ requestId }) => requestId);
    const all = () => [...seen, ...tail.ids];
    await eventually('all of them', () => (new Set(all()).size >= ids.length ? true : undefined), LOAD_GIVE_UP_MS);
    const told = changesReplica ? [...new Set(all())] : all();
    expect(told.toSorted()).toEqual(ids.toSorted());
    expect(tail.gaps).toEqual([]);
    tail.leave();
  });

  it('reads from the log what a reader has missed for whom nothing was remembered, and says when it is too much', async () => {
    const { key, secret } = await replicas.issue();
    const first = await replicas.respond(secret);
    const later: Answer[] = [];
    for (const at of [other, gateway, other]) later.push(await replicas.respond(secret, at));
    for (const { requestId } of [first, ...later]) await gateway.row(requestId);
    await seedRequests(replicas.database, 1_500, 2, new Date(Date.now() - DAY_MS));
    const fresh = await TestGateway.start({ database: replicas.database });
    try {
      const tail = await LiveClient.open(fresh, `kind=response&key=${key.id}&after=${first.requestId}`);
      const newest = await replicas.respond(secret);
      await tail.event(newest.requestId);
      // Clocks and ends of requests at two replicas: their order is not exact.
      expect(tail.ids.toSorted()).toEqual([...later, newest].map(({ requestId }) => requestId).toSorted());
      expect(tail.gaps).toEqual([]);

      const weekAgo = (Date.now() - 7 * DAY_MS).toString(16).padStart(12, '0');
      const long = await LiveClient.open(fresh, '', `req_${weekAgo}70008${'0'.repeat(15)}`);
      await eventually('what was missed', () => (long.ids.length >= 1_000 ? true : undefined), LOAD_GIVE_UP_MS);
      expect(long.events[0]).toMatchObject({ type: 'gap', data: { missing: null, reason: 'too_many_missed' } });
      expect(new Set(long.ids).size).toBe(1_000);
      expect(long.ids).toContain(newest.requestId);
      // With readers still there.
      expect(await fresh.stop()).toBe(0);
      await eventually('the end of both', () => (tail.isEnded && long.isEnded ? true : undefined));
    } finally {
      await fresh.stop();
    }
  });

  it('ends for whoever may no longer read it, or sees other keys, at whichever replica that was decided', async () => {
    const issued = await replicas.issue();
    const elsewhere = await replicas.issue();
    const invite = (role: Role, fields = {}) => owner.invite(role, fields);
    const [signedOut, disabled, demoted, maker, developer] = await Promise.all([
      invite('viewer'),
      invite('auditor'),
      invite('admin'),
      invite('admin'),
      invite('developer', { key_ids: [issued.key.id] }),
    ]);
    const issueToken = async ({ client }: typeof maker, name: string) =>
      (await client.call('POST', '/tokens', { name, permissions: ['requests:read'] })).body as IssuedAdminToken;
    const [revoked, ofMaker, ofDeveloper] = await Promise.all([
      issueToken(maker, 'revoked'),
      issueToken(maker, 'of one who sees less'),
      issueToken(developer, 'of a developer'),
    ]);
    const bySession = [signedOut, disabled, demoted, developer].map(({ client }) => ({ cookie: client.cookie }));
    const byToken = [revoked, ofMaker, ofDeveloper].map(({ secret }) => ({ authorization: `Bearer ${secret}` }));
    const tails = await Promise.all(
      [...bySession, ...byToken].map((credentials, index) =>
        LiveClient.open(index % 2 ? other : gateway, '', undefined, credentials),
      ),
    );
    const lasting = await LiveClient.open(other, '', undefined, { cookie: owner.cookie });
    expect(tails.map(({ status }) => status)).toEqual(tails.map(() => 200));

    const change = (method: string, path: string, body?: unknown) => owner.call(method, path, body);
    const answers = await Promise.all([
      signedOut.client.call('DELETE', '/session'),
      change('PATCH', `/operators/${disabled.operator.id}`, { enabled: false }),
      change('PATCH', `/operators/${demoted.operator.id}`, { role: 'viewer' }),
      change('PATCH', `/operators/${developer.operator.id}`, { key_ids: [elsewhere.key.id] }),
      change('DELETE', `/tokens/${revoked.id}`),
      change('PATCH', `/operators/${maker.operator.id}`, { role: 'developer' }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([204, 200, 200, 200, 204, 200]);
    await eventually('the end of all of them', () => (tails.every(({ isEnded }) => isEnded) ? true : undefined));
    const { requestId } = await replicas.respond(issued.secret);
    await lasting.event(requestId);
    expect(tails.flatMap(({ ids }) => ids)).not.toContain(requestId);
    lasting.leave();
  });

  it('is refused beyond a hundred readers, and has room again when they have left', async () => {
    const tails = await Promise.all(Array.from({ length: 100 }, () => LiveClient.open(other)));
    const next = await LiveClient.open(other);
    expect(next.status).toBe(429);
    for (const tail of tails) tail.leave();
    await eventually('room for another', async () => {
      const tail = await LiveClient.open(other);
      tail.leave();
      return tail.status === 200 ? true : undefined;
    });
  });
});
