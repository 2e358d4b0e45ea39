import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';

/** The bookkeeping table of `prisma migrate deploy`, to the letter, so that Prisma's own commands agree with ours. */
const BOOKKEEPING = `CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
  "id" VARCHAR(36) PRIMARY KEY NOT NULL, "checksum" VARCHAR(64) NOT NULL, "finished_at" TIMESTAMPTZ,
  "migration_name" VARCHAR(255) NOT NULL, "logs" TEXT, "rolled_back_at" TIMESTAMPTZ,
  "started_at" TIMESTAMPTZ NOT NULL DEFAULT now(), "applied_steps_count" INTEGER NOT NULL DEFAULT 0)`;
/** Prisma's own advisory lock: our start and a `prisma migrate deploy` by hand wait for each other. */
const ADVISORY_LOCK = 72_707_369;

interface Migration {
  name: string;
  sql: string;
  checksum: string;
}

/**
 * Applies the migrations in `directory` that the database lacks, each in one transaction, under an advisory lock. Returns
 * the names of those applied now.
 *
 * @throws Error when the database cannot be reached, a migration fails, or one failed under Prisma earlier
 */
export async function applyMigrations(connectionString: string, directory: string): Promise<string[]> {
  const migrations = await readMigrations(directory);
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 5_000 });
  await client.connect();
  try {
    // Several replicas may start at once: the lock waits for the first of them, but not for ever.
    await client.query("SET lock_timeout = '120s'");
    await client.query('SELECT pg_advisory_lock($1)', [ADVISORY_LOCK]);
    await client.query('SET lock_timeout = 0');
    await client.query(BOOKKEEPING);
    const done = await namesOfApplied(client);
    const missing = migrations.filter(({ name }) => !done.has(name));
    for (const migration of missing) await apply(client, migration);
    return missing.map(({ name }) => name);
  } finally {
    await client.end();
  }
}

async function readMigrations(directory: string): Promise<Migration[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  return Promise.all(
    names.toSorted().map(async (name) => {
      const bytes = await readFile(join(directory, name, 'migration.sql'));
      return { name, sql: bytes.toString('utf8'), checksum: createHash('sha256').update(bytes).digest('hex') };
    }),
  );
}

async function namesOfApplied(client: pg.Client): Promise<Set<string>> {
  const { rows } = await client.query<{ migration_name: string; finished_at: Date | null }>(
    'SELECT migration_name, finished_at FROM "_prisma_migrations" WHERE rolled_back_at IS NULL',
  );
  const failed = rows.find((row) => !row.finished_at);
  if (failed) {
    throw new Error(
      `migration ${failed.migration_name} failed earlier: mend it, then run "npx prisma migrate resolve"`,
    );
  }
  return new Set(rows.map((row) => row.migration_name));
}

async function apply(client: pg.Client, { name, sql, checksum }: Migration): Promise<void> {
  try {
    // Bookkeeping and change in one transaction: a process killed in between leaves neither.
    await client.query('BEGIN');
    await client.query(
      `INSERT INTO "_prisma_migrations" (id, checksum, migration_name, applied_steps_count, finished_at)
       VALUES ($1, $2, $3, 1, clock_timestamp())`,
      [randomUUID(), checksum, name],
    );
    await client.query(sql);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw new Error(`migration ${name} failed: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}
