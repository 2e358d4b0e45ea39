import { cpSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { Simulator } from '../../apps/simulator/src/simulator.js';
import type { AuditVerification, Settings, Storage, Usage } from '../../libs/contract/src/index.js';
import { applyMigrations } from '../../libs/database/src/migrations.js';
import { PARTITIONED_TABLES } from '../../libs/storage/src/partitioned-tables.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { temporaryFolder, TestGateway } from '../support/gateway.js';
import { call, callBody } from '../support/responses-client.js';

const DAY_MS = 86_400_000;
/** RETENTION_ROWS=200000 measures what docs/request-log.md tells. */
const ROWS = Number(process.env.RETENTION_ROWS ?? 2_000);
const MIGRATIONS = join(__dirname, '../../prisma/migrations');

const daysAgo = (days: number) => new Date(Date.now() - days * DAY_MS).toISOString().slice(0, 10);
const partitionOf = (day: string) => `request_log_${day.replaceAll('-', '')}`;
const OVER = daysAgo(398);
const LATE = daysAgo(500);
const KEPT = daysAgo(395);

let database: TestDatabase;
let simulator: Simulator;
let gateway: TestGateway;
const replicas: TestGateway[] = [];

/** As the release before this one left it. */
async function migrateWithoutRetention(): Promise<void> {
  const folder = temporaryFolder();
  cpSync(MIGRATIONS, folder, { recursive: true });
  const newer = readdirSync(folder).filter((name) => name >= '20261127040000' && name !== 'migration_lock.toml');
  for (const name of newer) rmSync(join(folder, name), { recursive: true });
  await applyMigrations(database.url, folder);
  rmSync(folder, { recursive: true });
}

async function insertRows(day: string, count: number): Promise<void> {
  await database.query(
    `INSERT INTO request_log (id, started_at, key_id, model, client_ip, route, kind, stream, status, outcome, settlement, usage_source,
      duration_ms, attempts, request_bytes, response_bytes)
     SELECT gen_random_uuid(), $1::timestamptz + i * interval '300 ms', gen_random_uuid(), 'gpt-5.5', '10.0.0.1', 'POST /v1/responses',
      'response', true, 200, 'ok', 'final', 'none', 1, 1, 1, 1 FROM generate_series(0, $2::int - 1) AS i`,
    [`${day}T00:00:00Z`, count],
  );
}

async function verified(): Promise<AuditVerification> {
  return (await gateway.admin.get('/audit/verify')).body as AuditVerification;
}

async function partitions(table: string): Promise<string[]> {
  const rows = await database.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND starts_with(relname, $1) ORDER BY 1`,
    [`${table}_`],
  );
  return rows.map(({ name }) => name);
}

beforeAll(async () => {
  [database, simulator] = await Promise.all([createDatabase({ isEmpty: true }), Simulator.start()]);
  await migrateWithoutRetention();
  await database.query(
    `INSERT INTO audit_entries (id, at, actor, action, object_type, object_id)
     SELECT gen_random_uuid(), now() - i * interval '10 days', 'admin', 'test.kept', 'key', gen_random_uuid()
     FROM generate_series(0, 99) AS i`,
  );
  for (const table of ['usage_hours', 'usage_days']) {
    await database.query(
      `INSERT INTO ${table} SELECT date_trunc('day', now(), 'UTC') - i * interval '10 days', gen_random_uuid(), gen_random_uuid(), 'm',
        gen_random_uuid(), 1, 0, 10, 0, 0, 5, 0, 7 FROM generate_series(0, 99) AS i`,
    );
  }
  gateway = await TestGateway.start({ database });
});
afterAll(async () => {
  await Promise.all([gateway, ...replicas].map((one) => one.stop()));
  await simulator.close();
  await database.drop();
});

describe('a database from before there was retention', () => {
  it('keeps its audit log and its totals, by month, but for the months that are over', async () => {
    await eventually(
      'old months dropped',
      async () =>
        (await partitions('audit_entries'))[0]?.endsWith(daysAgo(731).slice(0, 7).replace('-', '')) ? true : undefined,
      20_000,
    );
    const [audit] = await database.query<{ kept: number; over: number; in_default: number }>(
      `SELECT count(*) FILTER (WHERE at > now() - interval '731 days')::int AS kept,
        count(*) FILTER (WHERE at < date_trunc('month', now() - interval '731 days'))::int AS over,
        (SELECT count(*)::int FROM audit_entries_default) AS in_default
       FROM audit_entries WHERE action = 'test.kept'`,
    );
    expect(audit).toEqual({ kept: 74, over: 0, in_default: 0 });
    // Chained by the migration, then dropped: what is left rests on what has been noted of that.
    const chain = await verified();
    expect(chain).toMatchObject({ verified: true, broken_at: null });
    expect(chain.first_sequence).toBeGreaterThan(20);
    expect(chain.entries).toBe((chain.last_sequence ?? 0) - (chain.first_sequence ?? 0) + 1);
    await database.query(
      `SET session_replication_role = replica; DELETE FROM audit_entries WHERE sequence = ${chain.first_sequence}`,
    );
    expect(await verified()).toMatchObject({
      verified: false,
      broken_at: { sequence: chain.first_sequence, reason: 'missing' },
    });
    const [hours] = await database.query<{ kept: number; tokens: number }>(
      `SELECT count(*)::int AS kept, sum(input_tokens)::int AS tokens FROM usage_hours WHERE starts_at > now() - interval '396 days'`,
    );
    expect(hours).toEqual({ kept: 40, tokens: 400 });
  });

  it('answers for days of which no hour is left from the totals by the day', async () => {
    const answer = await gateway.admin.get(
      `/usage?start=${daysAgo(1_000)}T00:00:00Z&end=${daysAgo(-1)}T00:00:00Z&bucket=total`,
    );
    expect((answer.body as Usage).data[0]).toMatchObject({ requests: 100, input_tokens: 1_000 });
  });
});

describe('retention', () => {
  it('drops the days that are over and no other, once, while readers hold the log and rows come in', async () => {
    const { secret } = await gateway.admin.issueKey({ upstreamBaseUrl: simulator.baseUrl });
    for (const day of [OVER, KEPT]) await database.query('SELECT create_request_log_partitions($1::date, 1)', [day]);
    await insertRows(OVER, ROWS);
    await insertRows(KEPT, 10);
    // As if it had waited in a journal for too long: its day is gone.
    await insertRows(LATE, 3);
    const reader = new pg.Client({ connectionString: database.url });
    await reader.connect();
    try {
      await reader.query('BEGIN; SELECT count(*) FROM request_log');
      const started = await Promise.all([1, 2].map(() => TestGateway.start({ database, env: { LOG_LEVEL: 'info' } })));
      replicas.push(...started);
      const { requestId, status } = await call(gateway.url, callBody('hi'), { secret });
      expect(status).toBe(200);
      expect(await gateway.row(requestId)).toMatchObject({ outcome: 'ok' });
      const [waiting] = await database.query<{ is_kept: boolean }>(
        `SELECT EXISTS (SELECT 1 FROM pg_inherits WHERE inhrelid = '${partitionOf(OVER)}'::regclass) AS is_kept`,
      );
      expect(waiting?.is_kept).toBe(true);
    } finally {
      await reader.end();
    }
    const output = await eventually(
      'both days dropped',
      () => {
        const all = replicas.map((replica) => replica.output()).join('');
        return all.includes(`dropped ${partitionOf(LATE)}`) && all.includes(`dropped ${partitionOf(OVER)}`)
          ? all
          : undefined;
      },
      30_000,
    );
    if (process.env.RETENTION_ROWS) process.stdout.write(output.replaceAll(/^(?!.*dropped).*\n/gm, ''));
    expect(output.match(new RegExp(`dropped ${partitionOf(OVER)} `, 'g'))).toHaveLength(1);
    const left = await partitions('request_log');
    expect(left).toContain(partitionOf(KEPT));
    expect(left.filter((name) => name < partitionOf(KEPT))).toEqual([]);
    const [rows] = await database.query<{ old: number; in_default: number }>(
      `SELECT count(*)::int AS old, (SELECT count(*)::int FROM request_log_default) AS in_default
       FROM request_log WHERE started_at < $1::date + 1`,
      [KEPT],
    );
    expect(rows).toEqual({ old: 10, in_default: 0 });
  });
});

describe('a budget without an end', () => {
  it('knows from the totals by the day what was spent when no hour of it is left', async () => {
    const { key, secret } = await gateway.admin.issueKey();
    const id = key.id.slice(4).replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, '$1-$2-$3-$4-$5');
    await database.query(
      `INSERT INTO usage_days SELECT date_trunc('day', now(), 'UTC') - interval '500 days', $1, gen_random_uuid(), 'm',
        gen_random_uuid(), 1, 0, 10, 0, 0, 5, 0, 5000000000`,
      [id],
    );
    await gateway.admin.patch(`/keys/${key.id}`, { budget_usd: '4.00' });
    const refused = await eventually('the budget to know', async () => {
      const answer = await call(gateway.url, callBody('hi'), { secret });
      return answer.status === 429 ? answer : undefined;
    });
    expect(refused.error).toMatchObject({ limit: 4, used: 5, rule: 'key.budget' });
  });
});

describe('the disk budget', () => {
  const storage = async () => (await gateway.admin.get('/storage')).body as Storage;
  const withBudget = async (bytes: number | null) => {
    await gateway.admin.patch('/settings', { disk_budget_bytes: bytes });
    return storage();
  };

  it('is told as the days until it is reached, with what each table takes and how fast it grows', async () => {
    const unknown = await eventually('the same size twice, as rows may still come in', async () => {
      const [measured] = await database.query<{ log: number; days: number }>(
        `SELECT sum(pg_total_relation_size(inhrelid))::int AS log, pg_total_relation_size('usage_days')::int AS days
         FROM pg_inherits WHERE inhparent = 'request_log'::regclass`,
      );
      const answer = await storage();
      const bytesOf = (name: string) => answer.tables.find((table) => table.name === name)?.bytes;
      return bytesOf('request_log') === measured?.log && bytesOf('usage_days') === measured?.days ? answer : undefined;
    });
    expect(unknown).toMatchObject({ disk_budget_bytes: null, days_until_disk_budget: null });
    expect(unknown.tables).toEqual([
      expect.objectContaining({ name: 'request_log', kept_days: 396 }),
      expect.objectContaining({ name: 'request_bodies', kept_days: 7 }),
      expect.objectContaining({ name: 'usage_hours', kept_days: 396 }),
      expect.objectContaining({ name: 'usage_minutes', kept_days: 4 }),
      expect.objectContaining({ name: 'audit_entries', kept_days: 731 }),
      expect.objectContaining({ name: 'usage_days', kept_days: null }),
    ]);
    for (const { bytes, bytes_per_day: perDay } of unknown.tables) {
      expect(perDay).toBeGreaterThan(0);
      expect(perDay).toBeLessThanOrEqual(bytes);
    }
    expect(await gateway.metric('tollgate_database_bytes')).toBe(unknown.database_bytes);
    expect(await (await fetch(`${gateway.url}/metrics`)).text()).toContain('tollgate_disk_budget_days +Inf\n');

    expect((await withBudget(1_000_000)).days_until_disk_budget).toBe(0);
    expect((await withBudget(1_000_000_000_000_000)).days_until_disk_budget).toBeNull();
    const near = await withBudget(unknown.database_bytes + unknown.bytes_per_day * 20);
    expect(near.days_until_disk_budget).toBeGreaterThan(0);
    expect(near.days_until_disk_budget).toBeLessThan(40);
    expect(await gateway.metric('tollgate_disk_budget_days')).toBe(near.days_until_disk_budget);
    await withBudget(null);
  });
});

describe('every table', () => {
  const THINNED_OUT = [
    'alerts',
    'webhook_deliveries',
    'stored_ids',
    'encrypted_content_origins',
    'replicas',
    'body_keys',
    'body_erasures',
    'operator_sessions',
    'idempotency_keys',
  ];
  const KEPT_FOR_EVER = ['usage_days', 'ledger_entries', 'erasures', 'audit_head', 'audit_dropped'];
  const CONFIGURATION =
    'groups group_models api_keys models model_prices upstreams model_upstreams operators operator_keys operator_totps operator_identities admin_tokens webhooks prepaid_balances settings change_feed _prisma_migrations'.split(
      ' ',
    );

  it('that grows with the traffic has an end, or is kept on purpose', async () => {
    const tables = await database.query<{ name: string }>(
      `SELECT relname AS name FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = 'public'::regnamespace`,
    );
    const dropped = PARTITIONED_TABLES.map(({ name }) => name);
    const known = [...dropped, ...THINNED_OUT, ...KEPT_FOR_EVER, ...CONFIGURATION];
    expect(tables.map(({ name }) => name).toSorted()).toEqual(known.toSorted());
  });
});

describe('the settings of retention', () => {
  it('are changed without a restart, audited, and known to every replica', async () => {
    const before = (await gateway.admin.get('/settings')).body as Settings;
    expect(before).toMatchObject({
      retention_request_rows_days: 396,
      retention_request_bodies_days: 7,
      retention_usage_hours_days: 396,
      retention_audit_days: 731,
      retention_alerts_days: 90,
      disk_budget_bytes: null,
    });
    const change = { retention_request_rows_days: 30, disk_budget_bytes: 50_000_000_000 };
    const answer = await gateway.admin.patch('/settings', change);
    expect(answer).toMatchObject({ status: 200, body: { ...before, ...change } });
    await eventually('the other replica to know', async () => {
      const settings = (await replicas[0]?.admin.get('/settings'))?.body as Settings;
      return settings.retention_request_rows_days === 30 ? true : undefined;
    });
    const [entry] = await database.query<{ after: object }>(
      `SELECT after FROM audit_entries WHERE action = 'settings.update' ORDER BY id DESC LIMIT 1`,
    );
    expect(entry?.after).toMatchObject({ storage: { requestRowsDays: 30, auditDays: 731 } });
  });

  it.each([
    { retention_request_rows_days: 0 },
    { retention_usage_hours_days: 366 },
    { retention_audit_days: 1.5 },
    { disk_budget_bytes: 1 },
  ])('are refused with the field that is wrong: %j', async (change) => {
    const answer = await gateway.admin.patch('/settings', change);
    expect(answer.status).toBe(422);
    expect(answer.body).toMatchObject({ errors: [{ path: Object.keys(change)[0] }] });
  });
});
