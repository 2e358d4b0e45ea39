import { randomInt, randomUUID } from 'node:crypto';
import type { Group, IssuedKey, Upstream } from '../../libs/contract/src/index.js';
import type { TestGateway } from './gateway.js';
import { addTotals } from './usage-totals.js';

/** A row of the log that a test has made up, with what it counts under. */
export interface UsageRow {
  atMs: number;
  key: string | null;
  group: string | null;
  owner: string | null;
  model: string | null;
  upstream: string | null;
  error: string | null;
  client: string | null;
  service_tier: string | null;
  tokens: { input: number; cached: number; output: number };
  nanoUsd: number;
}

type Pair = readonly [stored: string | null, counted: string | null];

const MODELS = ['gpt-5.5', 'gpt-5.5-mini', '=HYPERLINK("http://x")', null];
const CLIENTS: readonly Pair[] = [
  ['codex_exec/0.169.0', 'codex_exec'],
  ['codex_exec/0.170.0', 'codex_exec'],
  ['OpenAI/JS', 'OpenAI'],
  ['curl', 'curl'],
  ['=cmd/1', null],
  [`${'x'.repeat(41)}/1`, null],
  [null, null],
];
const TIERS: readonly Pair[] = [
  ['default', 'default'],
  ['flex', 'flex'],
  ['mine', 'other'],
  [null, null],
];
const ENDINGS: readonly { outcome: string; code: string | null; error: string | null }[] = [
  { outcome: 'ok', code: null, error: null },
  { outcome: 'ok', code: null, error: null },
  { outcome: 'client_left', code: 'cut', error: null },
  { outcome: 'limited', code: 'rate_limit_exceeded', error: 'rate_limit_exceeded' },
  { outcome: 'upstream_error', code: 'What the upstream says!', error: 'upstream_error' },
  { outcome: 'timeout', code: null, error: 'timeout' },
];

const oneOf = <T>(values: readonly T[]): T => values[randomInt(values.length)] as T;
const uuidOf = (publicId: string) => publicId.slice(4).replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, '$1-$2-$3-$4-$5');
const sql = (value: string | null) => (value === null ? 'NULL' : `'${value.replaceAll("'", "''")}'`);

/** Rows of random times of the last forty days, more of them the nearer, of keys, groups and upstreams that are there. */
export async function addUsageRows(gateway: TestGateway, count: number): Promise<UsageRow[]> {
  const { admin, database } = gateway;
  const groups = [
    await admin.create<Group>('/groups', { name: 'red' }),
    await admin.create<Group>('/groups', { name: 'blue' }),
  ];
  const keys: { id: string; group: string; owner: string | null }[] = [];
  for (const [index, owner] of ['ann', 'bob', 'ann', ''].entries()) {
    const group = groups[index % 2]?.id ?? '';
    const { id } = await admin.create<IssuedKey>('/keys', { name: `key ${index}`, group_id: group, owner });
    keys.push({ id, group, owner: owner === '' ? null : owner });
  }
  const upstreams: (string | null)[] = [null];
  for (const name of ['one', 'two']) {
    const upstream = { name, kind: 'openai', base_url: 'http://127.0.0.1:9' };
    upstreams.push((await admin.create<Upstream>('/upstreams', upstream)).id);
  }
  const nowMs = Date.now();
  const rows: UsageRow[] = [];
  const cells: string[] = [];
  for (let i = 0; i < count; i++) {
    const atMs = nowMs - randomInt(oneOf([600_000, 7_200_000, 3 * 86_400_000, 40 * 86_400_000]));
    const key = randomInt(8) === 0 ? null : oneOf(keys);
    const [client, countedClient] = oneOf(CLIENTS);
    const [tier, countedTier] = oneOf(TIERS);
    const { outcome, code, error } = oneOf(ENDINGS);
    const [model, upstream, input] = [oneOf(MODELS), oneOf(upstreams), randomInt(10_000)];
    const tokens = { input, cached: randomInt(input + 1), output: randomInt(1_000) };
    const nanoUsd = randomInt(1_000_000_000);
    rows.push({
      atMs,
      key: key?.id ?? null,
      group: key?.group ?? null,
      owner: key?.owner ?? null,
      model,
      upstream,
      error,
      client: key && countedClient,
      service_tier: countedTier,
      tokens,
      nanoUsd,
    });
    const [keyId, groupId] = [key && uuidOf(key.id), key && uuidOf(key.group)];
    const texts = [randomUUID(), new Date(atMs).toISOString(), keyId, groupId, model, upstream && uuidOf(upstream)];
    const ending = [outcome, code, client, tier];
    cells.push(
      `${[...texts, ...ending].map(sql).join(',')},${tokens.input},${tokens.cached},${tokens.output},${nanoUsd}`,
    );
  }
  const fixed = `'POST /v1/responses','response',true,200,'final','terminal_event',1,1,1,1`;
  await database.query(
    `INSERT INTO request_log (id, started_at, key_id, group_id, model, upstream_id, outcome, error_code, client, service_tier,
      input_tokens, cached_tokens, output_tokens, cost_nano_usd, route, kind, stream, status, settlement, usage_source, duration_ms,
      attempts, request_bytes, response_bytes) VALUES ${cells.map((row) => `(${row},${fixed})`).join(',')}`,
  );
  await addTotals(database, 'true');
  return rows;
}
