// Asks the request log, over as many rows as told, what operators ask it: `node test/bench/ask-log.mjs --rows 10000000 --days 30`.
// Seeds a PostgreSQL of its own, or the empty database of DATABASE_URL; the table that it prints is the one in docs/request-log.md.
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { applyMigrations, QuestionPool, startEmbeddedPostgres } from '../../dist/libs/database/src/index.js';
import { EVERY_REQUEST, RequestReports, RequestSearch, SessionSearch } from '../../dist/libs/journal/src/index.js';

const { values } = parseArgs({
  options: { rows: { type: 'string', default: '1000000' }, days: { type: 'string', default: '3' } },
});
const [rows, days] = [Number(values.rows), Number(values.days)];
const root = join(import.meta.dirname, '../..');
const seed = readFileSync(join(root, 'test/bench/seed-requests.sql'), 'utf8');
const DAY_MS = 86_400_000;
const ROWS_PER_STATEMENT = 500_000;
const ROUNDS = 15;

let postgres = null;
let directory = null;
if (!process.env.DATABASE_URL) {
  directory = mkdtempSync(join(tmpdir(), 'tollgate-bench-'));
  chmodSync(directory, 0o755); // PostgreSQL may run as another user
  postgres = await startEmbeddedPostgres({ dataDir: directory, database: 'bench' });
}
const url = process.env.DATABASE_URL ?? postgres.url;
await applyMigrations(url, join(root, 'prisma/migrations'));
const client = new pg.Client({ connectionString: url });
await client.connect();
const until = new Date(Math.floor(Date.now() / DAY_MS) * DAY_MS);
await fill();
const pool = new QuestionPool(url);
try {
  await measure();
} finally {
  await pool.onApplicationShutdown();
  await client.end();
  await postgres?.stop();
  if (directory) rmSync(directory, { recursive: true, force: true });
}

/** Day by day, so that no statement has to hold all of it. */
async function fill() {
  const [{ count }] = (await client.query('SELECT count(*)::int AS count FROM request_log')).rows;
  if (count > 0) return console.log(`${count} rows are there already`);
  const first = new Date(until.getTime() - days * DAY_MS).toISOString().slice(0, 10);
  await client.query('SELECT create_request_log_partitions($1::date, $2::int)', [first, days + 2]);
  const began = performance.now();
  const parts = Math.ceil(rows / ROWS_PER_STATEMENT);
  for (let part = 0; part < parts; part++) {
    await client.query(seed, [
      rows,
      days,
      until,
      Math.floor((part * rows) / parts) + 1,
      Math.floor(((part + 1) * rows) / parts),
    ]);
  }
  await client.query('VACUUM ANALYZE request_log');
  console.log(`${rows} rows in ${((performance.now() - began) / 1000).toFixed(0)} s`);
}

async function measure() {
  const [search, reports, sessions] = [new RequestSearch(pool), new RequestReports(pool), new SessionSearch(pool)];
  const page = { limit: 51, afterId: null, sort: 'started_at', isDescending: true };
  const lastDay = { ...EVERY_REQUEST, from: new Date(until.getTime() - DAY_MS), to: until };
  const lastWeek = { ...lastDay, from: new Date(until.getTime() - 7 * DAY_MS) };
  const edges = (hours, buckets) =>
    Array.from(
      { length: buckets + 1 },
      (_, i) => new Date(until.getTime() - (hours * 3_600_000 * (buckets - i)) / buckets),
    );
  const [any] = (
    await client.query(`SELECT * FROM request_log WHERE response_id IS NOT NULL AND started_at >= $1 LIMIT 1`, [
      new Date(until.getTime() - (days * DAY_MS) / 2),
    ])
  ).rows;
  const fields = ['outcome', 'model', 'key', 'group', 'upstream'];
  const questions = {
    'list, newest': () => search.list(EVERY_REQUEST, page),
    'list, 24 h, model and 502': () => search.list({ ...lastDay, only: { model: ['gpt-5.5'], status: ['502'] } }, page),
    'list, 24 h, key and kind': () =>
      search.list({ ...lastDay, only: { key: [any.key_id], kind: ['compaction'] } }, page),
    'list, all days, a group': () => search.list({ ...EVERY_REQUEST, only: { group: [any.group_id] } }, page),
    'list, all days, an error code of which there is none': () =>
      search.list({ ...EVERY_REQUEST, only: { error_code: ['none_such'] } }, page),
    'list, 24 h, a served model of which there is none': () =>
      search.list({ ...lastDay, only: { served_model: ['none-such'] } }, page),
    'by id': () => search.find(any.id),
    'by how the id begins (10 digits)': () =>
      search.list({ ...EVERY_REQUEST, idPrefix: any.id.replaceAll('-', '').slice(0, 10) }, page),
    'by response id, all days': () => search.list({ ...EVERY_REQUEST, only: { response_id: [any.response_id] } }, page),
    'sorted by cost, 24 h': () => search.list(lastDay, { ...page, sort: 'cost_usd' }),
    'sorted by duration, 7 days': () => search.list(lastWeek, { ...page, sort: 'duration_ms' }),
    'histogram, 24 h, 96 buckets': () => reports.histogram(EVERY_REQUEST, edges(24, 96)),
    'histogram, 24 h, 96 buckets, a model': () =>
      reports.histogram({ ...EVERY_REQUEST, only: { model: ['gpt-5.5'] } }, edges(24, 96)),
    'facets, 24 h, 5 fields': () => reports.facets(lastDay, { fields, valuesMax: 10 }),
    'facets, 24 h, client and error code': () =>
      reports.facets(lastDay, { fields: ['client', 'error_code'], valuesMax: 10 }),
    'sessions, 24 h': () => sessions.list(lastDay, { limit: 51, afterId: null }),
    'sessions, 7 days, a key': () =>
      sessions.list({ ...lastWeek, only: { key: [any.key_id] } }, { limit: 51, afterId: null }),
  };
  console.log(`load ${loadavg()[0].toFixed(1)}; ${ROUNDS} rounds\n\n| question | median | p95 |\n| --- | --- | --- |`);
  for (const [name, ask] of Object.entries(questions)) {
    const times = [];
    let answer = '';
    for (let round = 0; round < ROUNDS; round++) {
      const began = performance.now();
      await ask().catch((error) => (answer = `: ${error.message}`));
      times.push(performance.now() - began);
    }
    times.sort((a, b) => a - b);
    const at = (share) => `${times[Math.ceil(share * ROUNDS) - 1].toFixed(0)} ms`;
    console.log(`| ${name}${answer} | ${at(0.5)} | ${at(0.95)} |`);
  }
  const { rows: sizes } = await client.query(
    `SELECT sum(pg_table_size(relid))::float8 AS rows, sum(pg_indexes_size(relid))::float8 AS indexes
     FROM pg_partition_tree('request_log') WHERE isleaf`,
  );
  const { count } = (await client.query('SELECT count(*)::float8 AS count FROM request_log')).rows[0];
  console.log(
    `\nbytes a row: ${(sizes[0].rows / count).toFixed(0)}, and ${(sizes[0].indexes / count).toFixed(0)} of indexes`,
  );
  const began = performance.now();
  let exported = 0;
  for await (const chunk of search.chunks(lastDay)) exported += chunk.length;
  console.log(`export: ${exported} rows, ${(exported / ((performance.now() - began) / 1000)).toFixed(0)} a second`);
}
