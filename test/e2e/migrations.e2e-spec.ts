import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
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
