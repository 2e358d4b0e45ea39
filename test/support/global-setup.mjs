// Starts one throw-away PostgreSQL for the run, or takes TEST_DATABASE_URL. Every spec makes a database of its own in it
// (test/support/database.ts), as a copy of one that has all tables and partitions. Runs outside Jest's module system, on the built code, hence "pretest".
import { randomUUID } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';

export default async function setup() {
  // Each project of Jest's asks for it.
  if (process.env.TEST_DATABASE_TEMPLATE) return;
  if (!process.env.TEST_DATABASE_URL) await startPostgres();
  const template = `template_${randomUUID().replaceAll('-', '')}`;
  await inServer(`CREATE DATABASE ${template}`);
  await makeTables(new URL(template, process.env.TEST_DATABASE_URL).href);
  process.env.TEST_DATABASE_TEMPLATE = template;
  const { stopTestPostgres } = globalThis;
  globalThis.stopTestPostgres = async () => {
    if (stopTestPostgres) await stopTestPostgres();
    else await inServer(`DROP DATABASE ${template} WITH (FORCE)`);
    delete process.env.TEST_DATABASE_TEMPLATE;
  };
}

async function startPostgres() {
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

/** What a gateway does at its first start before it writes anything of its own. */
async function makeTables(url) {
  const { applyMigrations, PrismaService } = await import('../../dist/libs/database/src/index.js');
  const { PartitionKeeper } = await import('../../dist/libs/storage/src/partition-keeper.js');
  await applyMigrations(url, join(import.meta.dirname, '../../prisma/migrations'));
  const prisma = new PrismaService(url);
  const keeper = new PartitionKeeper(prisma, { now: Date.now }, { run: async () => [], stop() {} });
  await keeper.onApplicationBootstrap();
  await keeper.onApplicationShutdown();
  await prisma.$disconnect();
}

async function inServer(sql) {
  const client = new pg.Client({ connectionString: process.env.TEST_DATABASE_URL });
  await client.connect();
  await client.query(sql);
  await client.end();
}
