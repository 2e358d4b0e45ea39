import type { Group, IssuedKey, Model, Upstream } from '../../libs/contract/src/index.js';
import type { AdminClient } from './admin-client.js';

/** Later than any test runs. */
export const SCHEDULED = '2090-01-01T00:00:00.000Z';

/** What the secrets of `fillGateway` are referred to by in an export, and what they are. */
export const SECRETS = {
  TOLLGATE_UPSTREAM_FIRST_PROVIDER_CREDENTIAL: 'sk-first-credential',
  TOLLGATE_UPSTREAM_FIRST_PROVIDER_HEADER_X_TEAM: 'team-header-value',
  TOLLGATE_UPSTREAM_FIRST_PROVIDER_HTTP_PROXY: 'http://proxy-user:proxy-password@127.0.0.1:3128',
  TOLLGATE_UPSTREAM_FIRST_PROVIDER_2_CREDENTIAL: 'sk-second-credential',
};

const TIER = { input_per_million_usd: '0.5', output_per_million_usd: '2.50' };
const PRICES = {
  input_per_million_usd: '1.250',
  cached_input_per_million_usd: '0.125',
  output_per_million_usd: '10.00',
};

/** Makes objects of every kind, with nearly every field set to something else than its default. */
export async function fillGateway(admin: AdminClient): Promise<void> {
  const first = await admin.create<Upstream>('/upstreams', {
    name: 'first provider',
    kind: 'codex',
    base_url: 'http://127.0.0.1:9',
    credential: SECRETS.TOLLGATE_UPSTREAM_FIRST_PROVIDER_CREDENTIAL,
    priority: 10,
    weight: 3,
    max_concurrency: 50,
    stream_mode: 'stream_only',
    extra_headers: { 'X-Team': SECRETS.TOLLGATE_UPSTREAM_FIRST_PROVIDER_HEADER_X_TEAM },
    parameter_overrides: { temperature: 0, metadata: null, text: { verbosity: 'low', a: [1, { b: true }] } },
    connect_timeout_ms: 1_000,
    headers_timeout_ms: 2_000,
    idle_timeout_ms: 3_000,
    total_timeout_ms: 4_000,
    http_proxy: SECRETS.TOLLGATE_UPSTREAM_FIRST_PROVIDER_HTTP_PROXY,
    cool_down_seconds_max: 5,
    probe_interval_seconds: 3_600,
    compaction: 'emulate',
    enabled: false,
  });
  await admin.create('/upstreams', {
    name: 'first-provider',
    base_url: 'http://127.0.0.1:10/v1',
    credential: SECRETS.TOLLGATE_UPSTREAM_FIRST_PROVIDER_2_CREDENTIAL,
    http_proxy: 'http://127.0.0.1:3129/',
  });
  await admin.create('/upstreams', { name: 'open', base_url: 'http://127.0.0.1:11/v1' });
  const model = await admin.create<Model>('/models', {
    name: 'gpt-5.5',
    aliases: ['best', 'gpt-best'],
    upstreams: [{ upstream_id: first.id, upstream_model: 'provider-5.5' }],
    prices: { ...PRICES, per_request_usd: '0.001', service_tiers: { flex: TIER } },
    context_window_tokens: 400_000,
  });
  await admin.create(`/models/${model.id}/prices`, { ...PRICES, effective_from: '2090-01-01T01:00:00+01:00' });
  await admin.create('/models', { name: 'unpriced' });
  const group = await admin.create<Group>('/groups', {
    name: 'Entwickler: "Ä" #1',
    description: 'with: a colon\nand two lines',
    models: ['gpt-*', 'codex-*', 'a*'],
    on_client_left: 'drain',
    encrypted_content_on_move: 'refuse',
    compaction_output: 'sealed',
    automatic_compaction: true,
    requests_per_minute: 100,
    input_tokens_per_minute: 200_000,
    tokens_per_minute: 300_000,
    max_concurrency: 8,
    budget_usd: '250.50',
    soft_threshold_percent: null,
    model_limits: [{ model: 'gpt-5.5', requests_per_minute: 10 }],
    windows: [
      { name: 'five hours', period: '5h', unit: 'usd', limit: '20.00' },
      { name: 'week', period: 'week', unit: 'tokens', limit: 1_000_000 },
    ],
    time_zone: 'Europe/Berlin',
    limit_message: 'Ask ${NOBODY}',
    queue_wait_ms: 500,
    price_multiplier: '1.50',
    unpriced_models: 'ceiling',
    ceiling_prices: PRICES,
    body_policy: { capture: 'sample', sample_percent: 12.5, max_bytes: 2_048, retention_days: 3 },
    redact: { patterns: ['(?i)secret-\\d+'], json_paths: ['$.metadata.user'] },
  });
  await admin.create('/groups', { name: 'plain' });
  await admin.create('/keys', {
    name: 'ann',
    group_id: group.id,
    owner: 'ann@example.com',
    models: ['gpt-5.5'],
    expires_at: '2090-06-01T12:00:00+02:00',
    body_policy: { capture: 'errors' },
    requests_per_minute: 5,
    budget_usd: '5.0',
    soft_threshold_percent: 50,
  });
  const revoked = await admin.create<IssuedKey>('/keys', { name: 'bob', group_id: group.id });
  await admin.post(`/keys/${revoked.id}/revoke`);
  await admin.create('/keys', { name: 'bob', group_id: group.id });
  await admin.create('/webhooks', {
    name: 'on call',
    url: 'http://127.0.0.1:12/alerts?token=x',
    types: ['upstream.down'],
    enabled: false,
  });
  await admin.patch('/settings', {
    compaction_instruction: 'Summarise what was said, and what is to be done.',
    compaction_max_age_days: 90,
    retention_request_rows_days: 100,
    disk_budget_bytes: 5_000_000_000,
  });
}
