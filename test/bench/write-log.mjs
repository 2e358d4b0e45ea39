// Writes rows of a busy minute into the request log, as the gateway does, batch by batch: `node test/bench/write-log.mjs --rows 100000`.
// In a PostgreSQL of its own. What is told is the time of the statement that writes rows, totals and ledger; nothing else runs.
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { applyMigrations, startEmbeddedPostgres } from '../../dist/libs/database/src/index.js';
import { RequestLog } from '../../dist/libs/journal/src/index.js';
import { COLUMN_NAMES } from '../../dist/libs/journal/src/request-row.js';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '100000' },
    'rows-per-second': { type: 'string', default: '200' },
    'rows-per-batch': { type: 'string', default: '500' },
    rounds: { type: 'string', default: '3' },
  },
});
const [rows, rowsPerBatch] = [Number(values.rows), Number(values['rows-per-batch'])];
const days = rows / Number(values['rows-per-second']) / 86_400;
const root = join(import.meta.dirname, '../..');

const directory = mkdtempSync(join(tmpdir(), 'tollgate-bench-'));
chmodSync(directory, 0o755); // PostgreSQL may run as another user
const postgres = await startEmbeddedPostgres({ dataDir: directory, database: 'bench' });
await applyMigrations(postgres.url, join(root, 'prisma/migrations'));
const client = new pg.Client({ connectionString: postgres.url });
await client.connect();
try {
  for (let round = 0; round < Number(values.rounds); round++) await write(await madeRows());
} finally {
  await client.end();
  await postgres.stop();
  rmSync(directory, { recursive: true, force: true });
}

/** The JSON of each row, in the order of time. */
async function madeRows() {
  const seed = readFileSync(join(root, 'test/bench/seed-requests.sql'), 'utf8');
  await client.query('TRUNCATE request_log');
  await client.query(seed, [rows, days, new Date(), 1, rows]);
  const cells = COLUMN_NAMES.map((name) => `"${name}"`).join(', ');
  const made = await client.query(
    `SELECT jsonb_build_array(${cells})::text AS row FROM request_log ORDER BY started_at`,
  );
  await client.query('TRUNCATE request_log');
  return made.rows.map(({ row }) => row);
}

async function write(made) {
  const log = new RequestLog({ pool: client }, null, Date);
  const times = [];
  for (let from = 0; from < made.length; from += rowsPerBatch) {
    const batch = made.slice(from, from + rowsPerBatch);
    const began = performance.now();
    await log.insert(batch);
    times.push(performance.now() - began);
  }
  const allMs = times.reduce((sum, ms) => sum + ms, 0);
  times.sort((a, b) => a - b);
  const at = (share) => `${times[Math.ceil(share * times.length) - 1].toFixed(1)} ms`;
  console.log(
    `${(rows / (allMs / 1000)).toFixed(0)} rows a second; a batch of ${rowsPerBatch}: median ${at(0.5)}, p95 ${at(0.95)}; load ${loadavg()[0].toFixed(1)}`,
  );
}
