import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createDatabase } from '../support/database.js';
import { TestGateway } from '../support/gateway.js';

const ROOT = join(__dirname, '../..');

function prisma(databaseUrl: string, ...args: string[]): string {
  return execFileSync(process.execPath, [join(ROOT, 'node_modules/prisma/build/index.js'), ...args], {
    cwd: ROOT,
    encoding: 'utf8',
    env: { ...process.env, DATABASE_URL: databaseUrl, PRISMA_HIDE_UPDATE_MESSAGE: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

describe('migrations applied at start', () => {
  it('are what Prisma’s own commands take for applied, and leave the schema that schema.prisma describes', async () => {
    const gateway = await TestGateway.start();
    const { url } = gateway.database;
    expect(prisma(url, 'migrate', 'status')).toContain('Database schema is up to date');
    expect(prisma(url, 'migrate', 'deploy')).toContain('No pending migrations to apply');
    const drift = prisma(
      url,
      'migrate',
      'diff',
      '--from-config-datasource',
      '--to-schema',
      'prisma/schema.prisma',
      '--script',
    );
    expect(drift.replaceAll(/^--.*$/gm, '').trim()).toBe('');
    await gateway.stop();
  });
});

describe('the request log', () => {
  it('is partitioned by day, a week ahead', async () => {
    const gateway = await TestGateway.start();
    const partitions = await gateway.database.query<{ name: string }>(
      `SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'request_log'::regclass ORDER BY 1`,
    );
    const names = partitions.map(({ name }) => name);
    for (const days of [-1, 0, 1, 7]) {
      const day = new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10).replaceAll('-', '');
      expect(names).toContain(`request_log_${day}`);
    }
    expect(names).toContain('request_log_default');
    await gateway.stop();
  });
});

describe('a row whose day has no partition', () => {
  it('is caught, and moves to its day when that is created', async () => {
    const gateway = await TestGateway.start();
    const day = new Date(Date.now() + 30 * 86_400_000).toISOString().slice(0, 10);
    await gateway.database.query(
      `INSERT INTO request_log (id, started_at, route, kind, stream, status, outcome, settlement, usage_source, duration_ms, attempts, request_bytes, response_bytes)
       VALUES (gen_random_uuid(), $1::timestamptz, 'x', 'other', false, 200, 'ok', 'final', 'none', 1, 0, 0, 0)`,
      [`${day}T12:00:00Z`],
    );
    await gateway.database.query('SELECT create_request_log_partitions($1::date, 3)', [day]);
    const rows = await gateway.database.query(
      `SELECT tableoid::regclass::text AS place FROM request_log WHERE route = 'x'`,
    );
    expect(rows).toEqual([{ place: `request_log_${day.replaceAll('-', '')}` }]);
    await gateway.stop();
  });
});

describe('usage of before there were totals by the minute', () => {
  it('has them for the last days, and keeps its totals by the hour and the day', async () => {
    const database = await createDatabase({ isEmpty: true });
    const folder = join(ROOT, 'prisma/migrations');
    const apply = (name: string) => database.query(readFileSync(join(folder, name, 'migration.sql'), 'utf8'));
    const names = readdirSync(folder)
      .filter((name) => /^\d{14}_/.test(name))
      .toSorted();
    const [minutes = ''] = names.filter((name) => name.endsWith('_usage_dimensions'));
    for (const name of names.filter((each) => each < minutes)) await apply(name);
    for (const age of ['1 minute', '2 days', '9 days']) {
      await database.query(
        `INSERT INTO request_log (id, started_at, model, client, key_id, route, kind, stream, status, outcome, error_code, settlement,
          usage_source, input_tokens, duration_ms, attempts, request_bytes, response_bytes)
         VALUES (gen_random_uuid(), now() - $1::interval, 'm', 'codex/1', gen_random_uuid(), 'x', 'other', false, 429, 'limited',
           'rate_limit_exceeded', 'final', 'none', 5, 1, 0, 0, 0)`,
        [age],
      );
    }
    for (const unit of ['hour', 'day']) {
      await database.query(
        `INSERT INTO usage_${unit}s SELECT date_trunc('${unit}', started_at, 'UTC'), key_id, key_id, model, key_id, 1, 1, 5, 0, 0, 0, 0, 0
         FROM request_log`,
      );
    }
    await apply(minutes);
    const totals = `sum(requests)::int AS requests, sum(input_tokens)::int AS tokens`;
    expect(await database.query(`SELECT error, client, ${totals} FROM usage_minutes GROUP BY 1, 2`)).toEqual([
      { error: 'rate_limit_exceeded', client: 'codex', requests: 2, tokens: 10 },
    ]);
    for (const table of ['usage_hours', 'usage_days']) {
      expect(await database.query(`SELECT error, client, ${totals} FROM ${table} GROUP BY 1, 2`)).toEqual([
        { error: '', client: '', requests: 3, tokens: 15 },
      ]);
    }
    await database.drop();
  });
});
