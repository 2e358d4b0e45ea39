import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import type { AuditEntry, AuditVerification, Group, IssuedKey, Page } from '../../libs/contract/src/index.js';
import { anyWrite, everyWrite, type Write, Writer } from '../support/audited-writes.js';
import { eventually } from '../support/eventually.js';
import { ADMIN_TOKEN, TestGateway } from '../support/gateway.js';
import { call, callBody } from '../support/responses-client.js';
import { type Scene, startScene } from '../support/scene.js';

let scene: Scene;
let writer: Writer;
beforeAll(async () => {
  scene = await startScene();
  // One without a price would be told of in the log, whenever that is.
  await scene.gateway.admin.create('/models', {
    name: 'gpt-5.5',
    prices: { input_per_million_usd: '1', output_per_million_usd: '1' },
  });
  writer = new Writer(scene.gateway.admin);
});
afterAll(() => scene.stop());

const query = <Row extends object>(sql: string, values?: unknown[]) => scene.gateway.database.query<Row>(sql, values);

async function verified(range = ''): Promise<AuditVerification> {
  const answer = await scene.gateway.admin.get(`/audit/verify${range}`);
  expect(answer.status).toBe(200);
  return answer.body as AuditVerification;
}

async function entries(filter = ''): Promise<AuditEntry[]> {
  const answer = await scene.gateway.admin.get(`/audit?limit=200${filter}`);
  expect(answer.status).toBe(200);
  return (answer.body as Page<AuditEntry>).data;
}

const lastSequence = async () => (await entries())[0]?.sequence ?? 0;

/** As somebody would who may do everything: past all triggers. */
async function tamper(...statements: string[]): Promise<void> {
  await query(['SET session_replication_role = replica', ...statements].join('; '));
}

/** The whole log as it was before. */
const restored = () =>
  tamper(
    'DELETE FROM audit_entries',
    'INSERT INTO audit_entries SELECT * FROM untouched',
    'DELETE FROM audit_head',
    'INSERT INTO audit_head SELECT * FROM untouched_head',
  );

describe('whatever operators write', () => {
  // Their ends would come into the log by themselves, a minute later.
  afterAll(() => query('DELETE FROM erasures'));

  it('is in the log exactly once, in its order, with who asked from where, and holds no secret; what is refused is not', async () => {
    const outcomes = new Map<string, Set<boolean>>();
    async function run(writes: readonly Write[]): Promise<void> {
      const before = await lastSequence();
      const done: { requestId: string | null; action: string }[] = [];
      for (const write of writes) {
        const { status, headers, body } = await writer.write(write);
        if (status >= 500) throw new Error(`${write.action}: ${status} ${JSON.stringify(body)}`);
        if (status < 300) done.push({ requestId: headers.get('x-request-id'), action: write.action });
        outcomes.set(write.action, (outcomes.get(write.action) ?? new Set()).add(status < 300));
      }
      const rows = await query<{ action: string; request_id: string; actor: string; ip: string }>(
        `SELECT action, request_id, actor, host(ip) AS ip FROM audit_entries WHERE sequence > $1 AND actor <> 'system' ORDER BY sequence`,
        [before],
      );
      expect(rows).toEqual(
        done.map(({ action, requestId }) => ({
          action,
          request_id: requestId,
          actor: 'admin_token',
          ip: '127.0.0.1',
        })),
      );
    }
    await run(everyWrite);
    // Each of them works: else the comparison would say nothing of it.
    expect([...outcomes].filter(([, seen]) => !seen.has(true)).map(([action]) => action)).toEqual([]);
    await fc.assert(fc.asyncProperty(fc.array(anyWrite, { minLength: 80, maxLength: 80 }), run), {
      numRuns: 1,
      endOnFailure: true,
    });
    const [{ text = '' } = {}] = await query<{ text: string }>(
      `SELECT string_agg(a::text, '\n') AS text FROM audit_entries a`,
    );
    expect(writer.secrets.length).toBeGreaterThan(50);
    expect(writer.secrets.filter((secret) => text.includes(secret))).toEqual([]);
    const last = await lastSequence();
    const chain = await verified();
    expect(chain).toMatchObject({ verified: true, first_sequence: 1, broken_at: null });
    expect(chain.last_sequence).toBeGreaterThanOrEqual(last);
    expect(chain.entries).toBe(chain.last_sequence);
  });

  it('also when thirty of them write at once at two replicas: nobody fails, and the chain has no fork', async () => {
    const { admin } = scene.gateway;
    const other = await TestGateway.start({ database: scene.gateway.database });
    const group = await admin.create<Group>('/groups', { name: 'busy' });
    const key = await admin.create<IssuedKey>('/keys', { name: 'busy', group_id: group.id });
    const upstream = await admin.create<{ id: string }>('/upstreams', {
      name: 'busy',
      base_url: scene.simulator.baseUrl,
    });
    const model = await admin.create<{ id: string }>('/models', { name: 'busy' });
    const before = await lastSequence();
    const kinds = [
      (at: TestGateway) => at.admin.patch(`/groups/${group.id}`, { description: String(Math.random()) }),
      (at: TestGateway) => at.admin.patch(`/keys/${key.id}`, { owner: String(Math.random()) }),
      (at: TestGateway) => at.admin.patch(`/models/${model.id}`, { upstreams: [{ upstream_id: upstream.id }] }),
      (at: TestGateway) => at.admin.patch(`/upstreams/${upstream.id}`, { name: `busy ${Math.random()}` }),
      (at: TestGateway) => at.admin.patch('/settings', { retention_alerts_days: 50, compaction_max_age_days: 50 }),
      (at: TestGateway) => at.admin.post(`/balances/${key.id}/entries`, { kind: 'top_up', amount_usd: '1' }),
      (at: TestGateway) => at.admin.post('/erasures', { key_id: key.id }),
      (at: TestGateway) =>
        at.admin.post(`/models/${model.id}/prices`, { input_per_million_usd: '1', output_per_million_usd: '1' }),
      (at: TestGateway) => at.admin.post('/keys', { name: `busy ${Math.random()}`, group_id: group.id }),
      (at: TestGateway) =>
        at.admin.post('/webhooks', { name: `busy ${Math.random()}`, url: 'http://127.0.0.1:9/', enabled: false }),
    ];
    const answers = await Promise.all(
      Array.from({ length: 3 }, () => kinds)
        .flat()
        .map((write, i) => write(i % 2 === 0 ? scene.gateway : other)),
    );
    await other.stop();
    expect(answers.filter(({ status }) => status >= 300).map(({ status, body }) => [status, body])).toEqual([]);
    const written = (await entries()).filter(({ sequence, actor }) => sequence > before && actor !== 'system');
    expect(written.map(({ request_id: id }) => id).toSorted()).toEqual(
      answers.map(({ headers }) => headers.get('x-request-id')).toSorted(),
    );
    expect(await verified()).toMatchObject({ verified: true, broken_at: null });
    // Each found what the one before it had left.
    const ofGroup = written.filter(({ action }) => action === 'group.update').toReversed();
    const described = (value: unknown) => (value as { description: string }).description;
    expect(ofGroup.slice(1).map(({ before: was }) => described(was))).toEqual(
      ofGroup.slice(0, -1).map(({ after }) => described(after)),
    );
  });
});

describe('an entry', () => {
  it('tells what was there before and after, and a change of several settings is one', async () => {
    const { admin } = scene.gateway;
    const { id } = await admin.create<Group>('/groups', { name: 'old name' });
    await admin.patch(`/groups/${id}`, { name: 'new name' });
    const [updated, created] = await entries(`&object=${id}`);
    expect(created).toMatchObject({ action: 'group.create', object_type: 'group', object_id: id, before: null });
    expect(updated).toMatchObject({
      id: expect.stringMatching(/^aud_[0-9a-f]{32}$/) as string,
      action: 'group.update',
      before: { name: 'old name' },
      after: { name: 'new name' },
      hash: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    });
    await admin.patch('/settings', { compaction_max_age_days: 33, retention_alerts_days: 34 });
    await admin.patch('/settings', { compaction_max_age_days: 35, retention_alerts_days: 36 });
    const [settings] = await entries('&actor=admin_token');
    expect(settings).toMatchObject({
      action: 'settings.update',
      object_id: null,
      before: { compaction: { maxAgeDays: 33 }, storage: { alertsDays: 34 } },
      after: { compaction: { maxAgeDays: 35 }, storage: { alertsDays: 36 } },
    });
  });

  it('is written for reading what a request said and for an export, which names no session', async () => {
    const { admin, url } = scene.gateway;
    const { secret } = await admin.issueKey({ key: { body_policy: { capture: 'always' } } });
    const { requestId } = await call(url, callBody('hi'), { secret });
    await scene.gateway.row(requestId);
    const before = await entries('&actor=admin_token');
    expect((await admin.get(`/requests/req_${'0'.repeat(32)}/body`)).status).toBe(404);
    expect(await entries('&actor=admin_token')).toEqual(before);
    const read = await eventually('the body', async () => {
      const answer = await admin.get(`/requests/${requestId}/body`);
      return answer.status === 200 ? answer.headers.get('x-request-id') : undefined;
    });
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
    await (await fetch(`${url}/admin/v1/requests/export?session=s-4711&status=200`, { headers })).text();
    const [exported, body] = await entries('&actor=admin_token');
    expect(body).toMatchObject({ action: 'body.read', object_type: 'request', object_id: requestId, request_id: read });
    expect(exported).toMatchObject({ action: 'requests.export', object_id: null, ip: '127.0.0.1' });
    expect(exported?.after).toEqual({ format: 'csv', session: '…', status: ['200'] });
  });
});

describe('the list', () => {
  it('is read page by page, and by actor, action, kind and id of the object, time and request', async () => {
    const { admin } = scene.gateway;
    const answer = await admin.post('/groups', { name: 'listed' });
    const { id } = answer.body as Group;
    await admin.patch(`/groups/${id}`, { description: 'a' });
    await admin.delete(`/groups/${id}`);
    const sequences: number[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const { body } = await admin.get(`/audit?limit=50${cursor === '' ? '' : `&cursor=${cursor}`}`);
      const page = body as Page<AuditEntry>;
      sequences.push(...page.data.map(({ sequence }) => sequence));
      cursor = page.next_cursor;
    }
    expect(sequences).toEqual(Array.from({ length: sequences[0] ?? 0 }, (_, i) => (sequences[0] ?? 0) - i));

    const [deleted, updated, created] = await entries(`&object=${id}`);
    const actions = async (filter: string) => (await entries(filter)).map(({ action }) => action);
    expect(await actions(`&object=${id}&action=group.update`)).toEqual(['group.update']);
    expect(await actions(`&object=${id}&action=group.`)).toEqual(['group.delete', 'group.update', 'group.create']);
    expect(await actions(`&object=${id}&action=group`)).toEqual([]);
    expect(await actions(`&object=${id}&object_type=key`)).toEqual([]);
    expect(await actions(`&object=${id}&actor=admin_token&object_type=group`)).toHaveLength(3);
    expect(await actions('&actor=nobody')).toEqual([]);
    expect(await entries(`&request_id=${answer.headers.get('x-request-id')}`)).toEqual([created]);
    expect(await actions(`&object=${id}&from=${updated?.at}&to=${deleted?.at}`)).toEqual(
      updated?.at === deleted?.at ? [] : ['group.update'],
    );
  });

  it.each([
    ['cursor=aud_1', 'cursor'],
    ['object=me', 'object'],
    ['request_id=1', 'request_id'],
    ['object_type=', 'object_type'],
    ['action=', 'action'],
    ['who=me', 'who'],
  ])('refuses %s and names what is wrong', async (filter, path) => {
    expect(await scene.gateway.admin.get(`/audit?${filter}`)).toMatchObject({
      status: 422,
      body: { errors: [{ path }] },
    });
  });
});

describe('the table', () => {
  it.each([
    `UPDATE audit_entries SET actor = 'x'`,
    `UPDATE audit_entries SET actor = 'x' WHERE false`,
    'DELETE FROM audit_entries',
    'TRUNCATE audit_entries',
    'DELETE FROM current_month',
    `UPDATE current_month SET actor = 'x'`,
    'TRUNCATE current_month',
    'UPDATE audit_head SET sequence = 0',
    'DELETE FROM audit_head',
    'TRUNCATE audit_head',
    'DELETE FROM audit_dropped',
  ])('is only ever added to: %s is refused', async (statement) => {
    const month = `audit_entries_${new Date().toISOString().slice(0, 7).replace('-', '')}`;
    await expect(query(statement.replace('current_month', month))).rejects.toThrow(
      'the audit log is only ever added to',
    );
  });

  it('takes what comes for a month without a partition, and has it unchanged when there is one', async () => {
    await query(
      `INSERT INTO audit_entries (id, at, actor, action, object_type, object_id)
       VALUES (gen_random_uuid(), '2033-03-03T03:03:03Z', 'system', 'test.late', 'key', gen_random_uuid()),
         (gen_random_uuid(), '2034-04-04T04:04:04Z', 'system', 'test.later', 'key', gen_random_uuid())`,
    );
    const place = () =>
      query(`SELECT tableoid::regclass::text AS place, hash FROM audit_entries WHERE action = 'test.late'`);
    const [before] = await place();
    expect(before).toMatchObject({ place: 'audit_entries_default' });
    await query(`SELECT create_partitions('audit_entries', 'at', 'month', '2033-03-01', 1)`);
    expect(await place()).toEqual([{ ...before, place: 'audit_entries_203303' }]);
    await expect(query('TRUNCATE audit_entries_203303')).rejects.toThrow('only ever added to');
    await expect(query('DELETE FROM audit_entries_default')).rejects.toThrow('only ever added to');
    await expect(query('DELETE FROM audit_entries_203303')).rejects.toThrow('only ever added to');
    expect(await verified()).toMatchObject({ verified: true });
  });
});

/** Keeps what is there, for `restored`. */
async function keep(): Promise<void> {
  await query('DROP TABLE IF EXISTS untouched, untouched_head');
  await query('CREATE TABLE untouched AS SELECT * FROM audit_entries');
  await query('CREATE TABLE untouched_head AS SELECT * FROM audit_head');
}

/** What is found after some statements, and no more when all is as it was. */
async function foundAfter(statement: string): Promise<AuditVerification> {
  const { last_sequence: last } = await verified();
  await tamper(statement);
  const found = await verified();
  await restored();
  expect(await verified()).toMatchObject({ verified: true, entries: last, last_sequence: last });
  return found;
}

const again = (sequence: number, number: string) => `
  INSERT INTO audit_entries SELECT gen_random_uuid(), at, actor, action, object_type, object_id, before, after, ${number}, hash
  FROM audit_entries WHERE sequence = ${sequence}`;

describe('somebody who gets past the triggers', () => {
  let middle: AuditEntry;
  let behind: AuditEntry;
  let last: number;

  beforeAll(async () => {
    const { admin } = scene.gateway;
    const { id } = await admin.create<Group>('/groups', { name: 'middle' });
    await admin.patch(`/groups/${id}`, { description: 'a' });
    await admin.patch(`/groups/${id}`, { description: 'b' });
    [, behind, middle] = (await entries(`&object=${id}`)) as [AuditEntry, AuditEntry, AuditEntry];
    last = await lastSequence();
    await keep();
  });
  afterEach(restored);

  it.each<[string, (sequence: number) => string]>([
    [
      'a letter of what was there after',
      (sequence) =>
        `UPDATE audit_entries SET after = jsonb_set(after, '{name}', '"muddle"') WHERE sequence = ${sequence}`,
    ],
    ['who it was', (sequence) => `UPDATE audit_entries SET actor = 'somebody' WHERE sequence = ${sequence}`],
    ['from where', (sequence) => `UPDATE audit_entries SET ip = '10.0.0.1' WHERE sequence = ${sequence}`],
    ['when', (sequence) => `UPDATE audit_entries SET at = at + interval '1 millisecond' WHERE sequence = ${sequence}`],
    [
      'the entry before it together with its hash',
      (sequence) => `
        UPDATE audit_entries entry SET actor = 'somebody', hash = audit_hash(previous.hash, entry.sequence, entry.id, entry.at, 'somebody',
          entry.action, entry.object_type, entry.object_id, entry.before, entry.after, entry.ip, entry.request_id)
        FROM audit_entries previous WHERE entry.sequence = ${sequence - 1} AND previous.sequence = entry.sequence - 1`,
    ],
  ])('cannot change %s', async (_, statement) => {
    expect(await foundAfter(statement(middle.sequence))).toEqual({
      verified: false,
      entries: middle.sequence - 1,
      first_sequence: 1,
      last_sequence: middle.sequence - 1,
      broken_at: { sequence: middle.sequence, reason: 'altered' },
    });
  });

  it.each<[string, () => string, () => { sequence: number; reason: string }]>([
    [
      'take an entry out',
      () => `DELETE FROM audit_entries WHERE sequence = ${middle.sequence}`,
      () => ({ sequence: middle.sequence, reason: 'missing' }),
    ],
    [
      'take the beginning away',
      () => 'DELETE FROM audit_entries WHERE sequence < 4',
      () => ({ sequence: 1, reason: 'missing' }),
    ],
    [
      'cut the end off',
      () => `DELETE FROM audit_entries WHERE sequence > ${last - 2}`,
      () => ({ sequence: last - 1, reason: 'missing' }),
    ],
    ['empty it', () => 'DELETE FROM audit_entries', () => ({ sequence: 1, reason: 'missing' })],
    [
      'cut the end off, and have its number remembered instead',
      () => `DELETE FROM audit_entries WHERE sequence = ${last}; UPDATE audit_head SET sequence = ${last - 1}`,
      () => ({ sequence: last - 1, reason: 'unknown' }),
    ],
    ['add an entry', () => again(last, 'sequence + 1'), () => ({ sequence: last + 1, reason: 'altered' })],
    ['take the place of the head', () => 'DELETE FROM audit_head', () => ({ sequence: last, reason: 'unknown' })],
  ])('cannot %s', async (_, statement, brokenAt) => {
    expect(await foundAfter(statement())).toMatchObject({ verified: false, broken_at: brokenAt() });
  });

  it('is found by the statement that docs/audit.md has for whoever has no gateway', async () => {
    const [, sql = ''] = /```sql\n(.*?);/s.exec(readFileSync(join(__dirname, '../../docs/audit.md'), 'utf8')) ?? [];
    expect(await query(sql)).toEqual([]);
    await tamper(`UPDATE audit_entries SET actor = 'somebody' WHERE sequence = ${middle.sequence}`);
    expect(await query(sql)).toEqual([{ sequence: String(middle.sequence) }]);
    await restored();
    await tamper(`DELETE FROM audit_entries WHERE sequence = ${middle.sequence}`);
    expect(await query(sql)).toEqual([{ sequence: String(middle.sequence + 1) }]);
  });

  it('is found where a time is asked for that holds the place, and not where it does not', async () => {
    await tamper(`UPDATE audit_entries SET actor = 'somebody' WHERE sequence = ${middle.sequence}`);
    const found = { verified: false, broken_at: { sequence: middle.sequence, reason: 'altered' } };
    const until = 'to=2032-01-01T00:00:00Z';
    expect(await verified(`?${until}`)).toMatchObject({ ...found, first_sequence: 1 });
    expect(await verified(`?from=${middle.at}&${until}`)).toMatchObject(found);
    expect(await verified(`?from=${behind.at}&${until}`)).toMatchObject({ verified: true, last_sequence: last });
    expect(await verified('?to=2020-01-01T00:00:00Z')).toEqual({
      verified: true,
      entries: 0,
      first_sequence: null,
      last_sequence: null,
      broken_at: null,
    });
  });
});

describe('a chain that is longer than what one question looks at', () => {
  beforeAll(async () => {
    await query(
      `INSERT INTO audit_entries (id, at, actor, action, object_type, object_id, after)
       SELECT gen_random_uuid(), now(), 'system', 'test.many', 'key', gen_random_uuid(), jsonb_build_object('number', i)
       FROM generate_series(1, 5500) AS i`,
    );
    await keep();
  });

  it('is followed to its end', async () => {
    const found = await foundAfter(`UPDATE audit_entries SET after = '{"number":0}' WHERE sequence = 5100`);
    expect(found).toMatchObject({ entries: 5_099, broken_at: { sequence: 5_100, reason: 'altered' } });
  });

  it.each([4_998, 4_999, 5_000, 5_001])('has its entry %d once', async (sequence) => {
    const found = await foundAfter(again(sequence, 'sequence'));
    // Whichever comes first: the copy does not fit, or the second one is one too many.
    expect(['altered', 'repeated']).toContain(found.broken_at?.reason);
    expect(found.broken_at?.sequence).toBe(sequence);
  });
});
