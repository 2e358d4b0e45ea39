import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestDatabase } from './database.js';

const SEED = readFileSync(join(__dirname, '../bench/seed-requests.sql'), 'utf8');

/** Puts rows into the request log as a busy gateway has them: evenly over the `days` before `until`. */
export async function seedRequests(database: TestDatabase, rows: number, days: number, until: Date): Promise<void> {
  const first = new Date(until.getTime() - days * 86_400_000).toISOString().slice(0, 10);
  await database.query('SELECT create_request_log_partitions($1::date, $2::int)', [first, days + 2]);
  await database.query(SEED, [rows, days, until, 1, rows]);
}
