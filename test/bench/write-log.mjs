// From the journal into PostgreSQL: `node test/bench/write-log.mjs --rows 100000`. The rows of a busy minute, in a PostgreSQL of its own,
// in rounds of three: raw COPY into a table with the same columns and indexes; the gateway's statement, batch by batch, which writes
// rows, totals and ledger; and the gateway's whole way back from a journal on disk, as behind an outage.
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { applyMigrations, startEmbeddedPostgres } from '../../dist/libs/database/src/index.js';
import { RequestJournal, RequestLog } from '../../dist/libs/journal/src/index.js';
import { JournalWriter } from '../../dist/libs/journal/src/journal-writer.js';
import { COLUMN_NAMES } from '../../dist/libs/journal/src/request-row.js';
import { RecordKind } from '../../dist/libs/journal/src/segment-format.js';

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
const clock = { now: Date.now, monotonic: () => performance.now() };
const nobodyWatches = { note() {} };

const directory = mkdtempSync(join(tmpdir(), 'tollgate-bench-'));
chmodSync(directory, 0o755); // PostgreSQL may run as another user
const postgres = await startEmbeddedPostgres({ dataDir: directory, database: 'bench' });
await applyMigrations(postgres.url, join(root, 'prisma/migrations'));
const pool = new pg.Pool({ connectionString: postgres.url, max: 4 });
pool.on('error', () => undefined); // the server goes first
try {
  console.log('rows a second: raw COPY, the statement alone, from the journal on disk (and its ratio to COPY)');
  for (let round = 0; round < Number(values.rounds); round++) {
    const made = await madeRows();
    const copied = await ratePerSecond(() => copy());
    const stated = await ratePerSecond(() => insert(made));
    await pool.query('TRUNCATE request_log, usage_minutes, usage_hours, usage_days');
    const folder = writtenJournal(made);
    const drained = await ratePerSecond(() => drain(folder));
    console.log(`${copied}, ${stated}, ${drained} (${(drained / copied).toFixed(2)}); load ${loadavg()[0].toFixed(1)}`);
  }
} finally {
  await pool.end();
  await postgres.stop();
  rmSync(directory, { recursive: true, force: true });
}

async function ratePerSecond(work) {
  const began = performance.now();
  await work();
  return Math.round(rows / ((performance.now() - began) / 1000));
}

/** The JSON of each row, in the order of time, and a file for COPY. */
async function madeRows() {
  const seed = readFileSync(join(root, 'test/bench/seed-requests.sql'), 'utf8');
  await pool.query('TRUNCATE request_log, usage_minutes, usage_hours, usage_days');
  await pool.query('DROP TABLE IF EXISTS copied');
  await pool.query(seed, [rows, days, new Date(), 1, rows]);
  const cells = COLUMN_NAMES.map((name) => `"${name}"`).join(', ');
  const { rows: found } = await pool.query(
    `SELECT jsonb_build_array(${cells})::text AS row FROM request_log ORDER BY started_at`,
  );
  await pool.query(`COPY (SELECT * FROM request_log ORDER BY started_at) TO '${join(directory, 'pg18/rows.copy')}'`);
  await pool.query('CREATE TABLE copied (LIKE request_log INCLUDING ALL)');
  await pool.query('TRUNCATE request_log');
  await pool.query('CHECKPOINT');
  return found.map(({ row }) => row);
}

async function copy() {
  await pool.query(`COPY copied FROM '${join(directory, 'pg18/rows.copy')}'`);
}

async function insert(made) {
  const log = new RequestLog({ pool }, null, clock, nobodyWatches);
  for (let from = 0; from < made.length; from += rowsPerBatch) await log.insert(made.slice(from, from + rowsPerBatch));
}

/** A journal as a gateway leaves it behind that could not reach PostgreSQL. */
function writtenJournal(made) {
  const folder = join(directory, 'journal');
  rmSync(folder, { recursive: true, force: true });
  const writer = new JournalWriter({ folder, bytesMax: 16 * 1024 ** 3 }, console.error);
  writer.open();
  for (const text of made) writer.append(RecordKind.closed, text, true).rowsHeld++;
  writer.close();
  return folder;
}

async function drain(folder) {
  const journal = new RequestJournal({ folder, bytesMax: 16 * 1024 ** 3 }, clock);
  const log = new RequestLog({ pool }, journal, clock, nobodyWatches);
  await log.recover(600_000);
  const { rows: counted } = await pool.query('SELECT count(*)::int AS count FROM request_log');
  if (counted[0].count !== rows) throw new Error(`${counted[0].count} of ${rows} rows came`);
  await log.onApplicationShutdown();
}
