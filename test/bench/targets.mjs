// What is measured: the bare proxy, and the gateway with everything on, each in front of the same canned upstream.
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { models } from './messages.mjs';
import { atTheEnd, startProcess } from './processes.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, '../../dist');
export const ADMIN_TOKEN = 'tga-bench-admin-token';
const ASK_AGAIN_MS = 20;
const SETTLE_TIMEOUT_MS = 15_000;

/** The gateway's entry point as this repository builds it. */
export const OWN_GATEWAY = join(dist, 'gateway.js');

/**
 * Starts the upstream, the bare proxy and one gateway per entry point, ready for load.
 *
 * @returns targets: `{ name, url, path, key, pid, settled }`, the bare proxy first; `settled()` waits until the target has
 *   done all work that earlier requests left behind
 */
export async function startTargets({ gateways, isLimited, isStored, nodeArgs }) {
  const upstream = await startProcess('the upstream', [join(here, 'canned-upstream.mjs')]);
  const bare = await startProcess('the bare proxy', [join(here, 'bare-proxy.mjs')], { UPSTREAM_URL: upstream.url });
  const targets = [{ name: 'bare', ...bare, path: '/v1/responses', key: 'none', settled: async () => undefined }];
  const directory = mkdtempSync(join(tmpdir(), 'tollgate-bench-'));
  chmodSync(directory, 0o755); // PostgreSQL may run as another user (root → postgres or nobody)
  atTheEnd(() => rmSync(directory, { recursive: true, force: true }));
  for (const [index, entry] of gateways.entries()) {
    const suffix = index === 0 ? '' : String(index + 1);
    const options = { entry: resolve(entry), nodeArgs, directory, suffix, upstreamUrl: upstream.url };
    targets.push(await startGateway(options));
  }
  if (isLimited) targets.push(await withLimits(targets[1]));
  if (isStored) targets.push(await withBodies(targets[1]));
  return targets;
}

async function startGateway({ entry, nodeArgs, directory, suffix, upstreamUrl }) {
  const database = await openDatabase(directory, `bench${suffix}`);
  const { url, pid } = await startProcess('the gateway', [...nodeArgs, '--enable-source-maps', entry], {
    HOST: '127.0.0.1',
    PORT: '0',
    DATABASE_URL: database,
    DATA_DIR: join(directory, `data${suffix}`),
    ADMIN_TOKEN,
    MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
    DEMO: 'off',
    LOG_LEVEL: 'warn',
  });
  const { secret } = await setUp(url, upstreamUrl);
  return { name: `gateway${suffix}`, url, path: '/v1/responses', key: secret, pid, settled: () => logIsWritten(url) };
}

async function openDatabase(directory, database) {
  const { startEmbeddedPostgres } = await import(join(dist, 'libs/database/src/index.js'));
  // Only the first call starts a server; the others find it running.
  const postgres = await startEmbeddedPostgres({ dataDir: directory, database, isThrowAway: true });
  atTheEnd(() => postgres.stop());
  return postgres.url;
}

/** One upstream, priced models, a group that may use them, and a key: nothing on the way of a request is left out. */
async function setUp(url, upstreamUrl) {
  await create(url, '/upstreams', { name: 'canned', base_url: `${upstreamUrl}/v1`, credential: 'sk-bench' });
  const prices = { input_per_million_usd: '1.25', output_per_million_usd: '10' };
  for (const name of Object.values(models)) await create(url, '/models', { name, prices });
  const group = await create(url, '/groups', { name: 'bench', models: ['bench-*'] });
  return create(url, '/keys', { name: 'bench', group_id: group.id });
}

/** The same process for a key that has, as its group has, every limit there is; none is ever reached. */
async function withLimits(gateway) {
  const limits = {
    requests_per_minute: 1e9,
    input_tokens_per_minute: 1e9,
    tokens_per_minute: 1e9,
    max_concurrency: 1e6,
    budget_usd: '999999',
  };
  const windows = [
    { name: '5 hours', period: '5h', unit: 'tokens', limit: 1e12 },
    { name: 'weekly', period: 'week', unit: 'usd', limit: '999999' },
  ];
  const group = await create(gateway.url, '/groups', { name: 'limited', models: ['bench-*'], ...limits, windows });
  const { secret } = await create(gateway.url, '/keys', { name: 'limited', group_id: group.id, ...limits });
  return { ...gateway, name: 'limited', key: secret };
}

/** The same process for a key whose bodies are stored, all of them. */
async function withBodies(gateway) {
  const policy = { body_policy: { capture: 'always' } };
  const group = await create(gateway.url, '/groups', { name: 'stored', models: ['bench-*'], ...policy });
  const { secret } = await create(gateway.url, '/keys', { name: 'stored', group_id: group.id });
  const settled = () => logIsWritten(gateway.url).then(() => bodiesAreWritten(gateway.url));
  return { ...gateway, name: 'bodies', key: secret, settled };
}

async function create(url, path, body) {
  const answer = await fetch(`${url}/admin/v1${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (answer.status !== 201) throw new Error(`POST ${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

async function bodiesAreWritten(url) {
  const deadline = performance.now() + SETTLE_TIMEOUT_MS;
  for (;;) {
    const metrics = await (await fetch(`${url}/metrics`)).text();
    if (metrics.includes('\ntollgate_bodies_held_bytes 0\n')) return;
    if (performance.now() > deadline) throw new Error('bodies are still not written');
    await delay(ASK_AGAIN_MS);
  }
}

/** The log is written in batches, behind the answers: its cost belongs to the requests that made it. */
async function logIsWritten(url) {
  const deadline = performance.now() + SETTLE_TIMEOUT_MS;
  for (;;) {
    const answer = await fetch(`${url}/readyz`);
    const { log_rows_pending: pending } = await answer.json();
    if (pending === 0) return;
    if (performance.now() > deadline) throw new Error(`${pending} log rows are still not written`);
    await delay(ASK_AGAIN_MS);
  }
}
