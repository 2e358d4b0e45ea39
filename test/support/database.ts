import { randomUUID } from 'node:crypto';
import pg from 'pg';

/** A database of its own for one spec. */
export interface TestDatabase {
  url: string;
  query<Row extends object>(sql: string, values?: unknown[]): Promise<Row[]>;
  drop(): Promise<void>;
}

/** With the tables that a gateway makes at its first start, as that takes half a second; `isEmpty`: without. */
export async function createDatabase({ isEmpty = false } = {}): Promise<TestDatabase> {
  const { TEST_DATABASE_URL: serverUrl, TEST_DATABASE_TEMPLATE: template } = process.env;
  if (!serverUrl || !template) throw new Error('TEST_DATABASE_URL is set by the global set-up: run this through Jest');
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  await onServer(serverUrl, `CREATE DATABASE ${name} TEMPLATE ${isEmpty ? 'template0' : template}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    query: (sql, values) => onServer(url.href, sql, values),
    drop: async () => {
      await onServer(serverUrl, `DROP DATABASE ${name} WITH (FORCE)`);
    },
  };
}

async function onServer<Row extends object>(url: string, sql: string, values: unknown[] = []): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(sql, values)).rows;
  } finally {
    await client.end();
  }
}
