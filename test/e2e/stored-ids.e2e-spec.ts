import { join } from 'node:path';
import { Logger } from '@nestjs/common';
import { applyMigrations, PrismaService } from '@app/database';
import { Clock } from '@app/runtime';
import { EncryptedContentOrigins, StoredResponses } from '@app/stored-responses';
import { StoredIdPruner } from '../../libs/stored-responses/src/stored-id-pruner.js';
import { Cable } from '../support/cable.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';

const GROUP = '00000000-0000-7000-8000-000000000001';
const OTHER_GROUP = '00000000-0000-7000-8000-000000000002';
const UPSTREAM = '00000000-0000-7000-8000-00000000000a';
const OTHER_UPSTREAM = '00000000-0000-7000-8000-00000000000b';

let database: TestDatabase;
let cable: Cable;
let prisma: PrismaService;
/** Two replicas. */
let here: StoredResponses;
let there: StoredResponses;

beforeAll(async () => {
  // An outage is part of this, and is logged.
  Logger.overrideLogger(false);
  database = await createDatabase();
  await applyMigrations(database.url, join(__dirname, '../../prisma/migrations'));
  const url = new URL(database.url);
  cable = await Cable.to(url.hostname, Number(url.port));
  url.port = String(cable.port);
  prisma = new PrismaService(url.href);
  // An idle connection that is cut tells its pool.
  prisma.pool.on('error', () => undefined);
  here = new StoredResponses(prisma);
  there = new StoredResponses(prisma);
});
afterAll(async () => {
  await Promise.all([here.onApplicationShutdown(), there.onApplicationShutdown()]);
  await prisma.$disconnect();
  cable.close();
  await database.drop();
});

let count = 0;
const newId = () => `resp_${++count}`;
const noted = (responseId: string | null, fields: object = {}) => ({
  responseId,
  itemIds: [],
  upstreamId: UPSTREAM,
  model: 'gpt-5.5',
  isUsagePending: false,
  ...fields,
});
const isStored = (id: string) =>
  eventually(`${id} in PostgreSQL`, async () => {
    const rows = await database.query('SELECT FROM stored_ids WHERE id = $1', [id]);
    return rows.length > 0 ? true : undefined;
  });

describe('a noted response', () => {
  it('is known at once where it was noted, without a promise, and a moment later everywhere', async () => {
    const id = newId();
    here.note(GROUP, noted(id, { itemIds: [`msg_of_${id}`] }));
    const stored = { upstreamId: UPSTREAM, model: 'gpt-5.5', isUsagePending: false };
    expect(here.find(GROUP, 'response', id)).toEqual(stored);
    expect(here.find(GROUP, 'item', `msg_of_${id}`)).toMatchObject({ upstreamId: UPSTREAM });
    // Asked before it was written: the look-up tries again.
    expect(await there.find(GROUP, 'response', id)).toEqual(stored);
    expect(there.find(GROUP, 'response', id)).toEqual(stored);
    expect(await there.find(GROUP, 'item', `msg_of_${id}`)).toMatchObject({ upstreamId: UPSTREAM });
  });

  it('is nobody else’s, and an item is no response', async () => {
    const id = newId();
    here.note(GROUP, noted(id));
    await isStored(id);
    for (const replica of [here, there]) {
      expect(await replica.find(OTHER_GROUP, 'response', id)).toBeNull();
      expect(await replica.find(GROUP, 'item', id)).toBeNull();
    }
  });

  it('is at the upstream that had it last', async () => {
    const id = newId();
    here.note(GROUP, noted(id));
    here.note(GROUP, noted(id, { upstreamId: OTHER_UPSTREAM, model: null }));
    expect(here.find(GROUP, 'response', id)).toMatchObject({ upstreamId: OTHER_UPSTREAM });
    expect(await there.find(GROUP, 'response', id)).toMatchObject({ upstreamId: OTHER_UPSTREAM, model: 'gpt-5.5' });
  });

  it('is gone when it is forgotten, even if it was not yet written', async () => {
    const [id, next] = [newId(), newId()];
    here.note(GROUP, noted(id));
    here.forget(GROUP, id);
    here.note(GROUP, noted(next));
    await isStored(next);
    expect(await here.find(GROUP, 'response', id)).toBeNull();
  });

  it('does not keep others from being written, whatever stands in it', async () => {
    const odd = ['', '.', '..', 'a\0b', 'a\nb', '\uD800', 'x'.repeat(257)];
    for (const id of odd) here.note(GROUP, noted(id, { itemIds: [id] }));
    const id = newId();
    here.note(GROUP, noted(id, { model: 'a\0b\uD800' }));
    await isStored(id);
    for (const unusable of odd) expect(await here.find(GROUP, 'response', unusable)).toBeNull();
  });
});

describe('an echoed item', () => {
  it('becomes the group’s own unless another group holds it', async () => {
    const [own, foreign] = [newId(), newId()];
    here.note(OTHER_GROUP, noted(null, { itemIds: [foreign] }));
    await isStored(foreign);
    there.noteEchoed(GROUP, [foreign, own], UPSTREAM);
    await isStored(own);
    expect(await there.find(GROUP, 'item', own)).toMatchObject({ upstreamId: UPSTREAM });
    expect(await there.find(GROUP, 'item', foreign)).toBeNull();
    expect(await there.find(OTHER_GROUP, 'item', foreign)).not.toBeNull();
  });
});

describe('pending usage', () => {
  it('is claimed by one of many, right after it was noted', async () => {
    const id = newId();
    here.note(GROUP, noted(id, { isUsagePending: true }));
    const first = await here.claimUsage(GROUP, id);
    const rest = await Promise.all(Array.from({ length: 10 }, (_, i) => (i % 2 ? here : there).claimUsage(GROUP, id)));
    expect([first, ...rest].filter(Boolean)).toEqual([true]);
    expect(here.find(GROUP, 'response', id)).toMatchObject({ isUsagePending: false });
  });

  it('may become known late, and is final once it was claimed or accounted', async () => {
    const [late, accounted] = [newId(), newId()];
    here.note(GROUP, noted(late, { isUsagePending: null }));
    expect(await here.claimUsage(GROUP, late)).toBe(false);
    here.note(GROUP, noted(late, { isUsagePending: true }));
    expect(await here.claimUsage(GROUP, late)).toBe(true);
    // A batch that was written, but whose answer was lost, comes again.
    there.note(GROUP, noted(late, { isUsagePending: true }));
    expect(await there.claimUsage(GROUP, late)).toBe(false);
    here.note(GROUP, noted(accounted, { isUsagePending: false }));
    here.note(GROUP, noted(accounted, { isUsagePending: true }));
    expect(await here.claimUsage(GROUP, accounted)).toBe(false);
  });

  it('is not claimed by another group', async () => {
    const id = newId();
    here.note(GROUP, noted(id, { isUsagePending: true }));
    await isStored(id);
    expect(await here.claimUsage(OTHER_GROUP, id)).toBe(false);
    expect(await here.claimUsage(GROUP, id)).toBe(true);
  });
});

describe('the origin of an encrypted content', () => {
  const unique = () => Math.random().toString();

  it('is known at once where it was noted, and elsewhere by the last of its response', async () => {
    const [one, two] = [new EncryptedContentOrigins(prisma), new EncryptedContentOrigins(prisma)];
    const [first, last] = [unique(), unique()];
    one.note([first, last], UPSTREAM);
    expect([one.find(first), one.find(last)]).toEqual([UPSTREAM, UPSTREAM]);
    await one.onApplicationShutdown();
    expect(await two.find(last)).toBe(UPSTREAM);
    expect(two.find(last)).toBe(UPSTREAM);
    expect(await two.find(first)).toBeNull();
    // Not asked again for a while, but believed when it is seen.
    expect(two.find(first)).toBeNull();
    two.note([first], OTHER_UPSTREAM);
    expect(two.find(first)).toBe(OTHER_UPSTREAM);
    await two.onApplicationShutdown();
  });

  it('is simply unknown when PostgreSQL is away', async () => {
    const origins = new EncryptedContentOrigins(prisma);
    cable.cut();
    const before = performance.now();
    expect(await origins.find(unique())).toBeNull();
    expect(performance.now() - before).toBeLessThan(1_000);
    const known = unique();
    origins.note([known], UPSTREAM);
    expect(origins.find(known)).toBe(UPSTREAM);
    cable.mend();
    await origins.onApplicationShutdown();
    expect(await new EncryptedContentOrigins(prisma).find(known)).toBe(UPSTREAM);
  });
});

describe('a database that is away', () => {
  it('is no reason to call an id unknown, and gets all when it is back', async () => {
    const id = newId();
    cable.cut();
    here.note(GROUP, noted(id));
    expect(here.find(GROUP, 'response', id)).toMatchObject({ upstreamId: UPSTREAM });
    await expect(there.find(GROUP, 'response', id)).rejects.toMatchObject({
      status: 503,
      options: { retryAfterSeconds: expect.any(Number) },
    });
    cable.mend();
    await isStored(id);
    expect(await there.find(GROUP, 'response', id)).not.toBeNull();
  });
});

describe('what is old', () => {
  it('is removed, however much it is, and nothing else', async () => {
    await database.query(
      `INSERT INTO stored_ids (id, kind, group_id, upstream_id, created_at)
       SELECT 'old_' || n, 'item', $1::uuid, $2::uuid, now() - interval '91 days' FROM generate_series(1, 2500) n`,
      [GROUP, UPSTREAM],
    );
    await database.query(
      `INSERT INTO stored_ids (id, kind, group_id, upstream_id, created_at)
       VALUES ('young', 'item', $1::uuid, $2::uuid, now() - interval '89 days')`,
      [GROUP, UPSTREAM],
    );
    await database.query(
      `INSERT INTO encrypted_content_origins (fingerprint, upstream_id, created_at)
       VALUES ('\\x01', $1::uuid, now() - interval '31 days'), ('\\x02', $1::uuid, now() - interval '29 days')`,
      [UPSTREAM],
    );
    const [pruner, another] = [new StoredIdPruner(prisma, new Clock()), new StoredIdPruner(prisma, new Clock())];
    await Promise.all([pruner.prune(), another.prune()]);
    await pruner.prune();
    expect(await database.query(`SELECT id FROM stored_ids WHERE id LIKE 'old%' OR id = 'young'`)).toEqual([
      { id: 'young' },
    ]);
    expect(
      await database.query(`SELECT encode(fingerprint, 'hex') AS f FROM encrypted_content_origins
        WHERE fingerprint IN ('\\x01', '\\x02')`),
    ).toEqual([{ f: '02' }]);
  });
});
