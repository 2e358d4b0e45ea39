import { fileURLToPath } from 'node:url';
import { applyMigrations, startEmbeddedPostgres } from '@app/database';
import type { Settings } from '@app/runtime';
import type { DataDir } from './data-dir.js';
import { StartupError } from './startup-error.js';

export interface RunningDatabase {
  url: string;
  /** Ends the embedded server; does nothing for one that is not ours. */
  stop(): Promise<void>;
}

/** This file is dist/apps/gateway/src/start/database.js; migrations stay where Prisma wants them. */
const MIGRATIONS = fileURLToPath(new URL('../../../../../prisma/migrations', import.meta.url));

/**
 * The database of DATABASE_URL, or the embedded one.
 *
 * @throws StartupError
 */
export async function openDatabase(settings: Settings, dataDir: DataDir): Promise<RunningDatabase> {
  return settings.databaseUrl
    ? { url: settings.databaseUrl, stop: () => Promise.resolve() }
    : await startEmbedded(dataDir);
}

/**
 * Brings the schema up to date.
 *
 * @throws StartupError also when the database cannot be reached
 */
export async function migrate({ url }: RunningDatabase): Promise<void> {
  try {
    await applyMigrations(url, MIGRATIONS);
  } catch (error) {
    const { host, pathname } = new URL(url);
    throw new StartupError(`PostgreSQL at ${host}${pathname}: ${reasonOf(error)}: check DATABASE_URL`, {
      cause: error,
    });
  }
}

async function startEmbedded(dataDir: DataDir): Promise<RunningDatabase> {
  try {
    return await startEmbeddedPostgres({ dataDir: dataDir.path, database: 'tollgate' });
  } catch (error) {
    throw new StartupError(reasonOf(error), { cause: error });
  }
}

/** One line; Node gathers failed addresses in an AggregateError without a message. */
function reasonOf(error: unknown): string {
  const first = error instanceof AggregateError ? (error.errors[0] as unknown) : error;
  const text =
    first instanceof Error ? first.message || (first as { code?: string }).code || first.name : String(first);
  return text.replaceAll(/\s*\n\s*/g, ' ').trim();
}
