// Starts one throw-away PostgreSQL for the run, or takes TEST_DATABASE_URL. Every spec makes a database of its own in it
// (test/support/database.ts). Runs outside Jest's module system, on the built code, hence "pretest".
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export default async function setup() {
  if (process.env.TEST_DATABASE_URL) return;
  const { startEmbeddedPostgres } = await import('../../dist/libs/database/src/index.js');
  const directory = mkdtempSync(join(tmpdir(), 'tollgate-test-'));
  chmodSync(directory, 0o755); // PostgreSQL may run as another user (root → postgres or nobody)
  const postgres = await startEmbeddedPostgres({ dataDir: directory, database: 'postgres', isThrowAway: true });
  process.env.TEST_DATABASE_URL = postgres.url;
  globalThis.stopTestPostgres = async () => {
    await postgres.stop();
    rmSync(directory, { recursive: true, force: true });
    delete process.env.TEST_DATABASE_URL;
  };
}
