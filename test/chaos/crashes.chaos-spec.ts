import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { temporaryFolder } from '../support/gateway.js';
import { killRounds } from '../support/kill-rounds.js';
import { OwnPostgres } from '../support/own-postgres.js';
import { FAULTLESS } from '../support/request-ledger.js';
import { report, setting } from './figures.js';

const load = { rounds: setting('ROUNDS', 30), clients: setting('CLIENTS', 300), killWithinMs: 1_500 };

jest.setTimeout(3_600_000);

describe('gateways that are killed under load', () => {
  it('lose nothing on an embedded PostgreSQL', async () => {
    const dataDir = temporaryFolder();
    const figures = await killRounds({
      ...load,
      env: { DATA_DIR: dataDir },
      query: (sql) => queryEmbedded(dataDir, sql),
    });
    report('crashes_embedded', figures);
    expect(figures).toMatchObject(FAULTLESS);
    rmSync(dataDir, { recursive: true, force: true });
  });

  it('lose nothing on an external one, which crashes in every third round itself', async () => {
    const dataDir = temporaryFolder();
    const postgres = await OwnPostgres.start(false);
    let round = 0;
    const figures = await killRounds({
      ...load,
      env: { DATA_DIR: dataDir, DATABASE_URL: postgres.url },
      query: (sql) => postgres.query(sql),
      disturb: async () => {
        if (++round % 3 === 0) await postgres.crash();
      },
    });
    report('crashes_external', figures);
    expect(figures).toMatchObject(FAULTLESS);
    await postgres.drop();
    rmSync(dataDir, { recursive: true, force: true });
  });
});

async function queryEmbedded<Row extends object>(dataDir: string, sql: string): Promise<Row[]> {
  const password = readFileSync(join(dataDir, 'postgres-password'), 'utf8').trim();
  const port = readFileSync(join(dataDir, 'pg18', 'postmaster.pid'), 'utf8').split('\n')[3];
  const client = new pg.Client({ connectionString: `postgresql://postgres:${password}@127.0.0.1:${port}/tollgate` });
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}
