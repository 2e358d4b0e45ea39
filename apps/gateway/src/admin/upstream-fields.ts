import type { Upstream, UpdateUpstream } from '@app/contract';
import type { UpstreamInput, UpstreamRow } from '@app/upstreams';
import { given } from './given.js';

/** The service's names for what was given. Addresses are as they were given, too: they have to be checked. */
export function toUpstreamChange(body: UpdateUpstream): Partial<UpstreamInput> {
  return given({
    name: body.name,
    kind: body.kind,
    baseUrl: body.base_url,
    credential: body.credential,
    priority: body.priority,
    weight: body.weight,
    maxConcurrency: body.max_concurrency,
    streamMode: body.stream_mode,
    extraHeaders: body.extra_headers,
    parameterOverrides: body.parameter_overrides,
    connectTimeoutMs: body.connect_timeout_ms,
    headersTimeoutMs: body.headers_timeout_ms,
    idleTimeoutMs: body.idle_timeout_ms,
    totalTimeoutMs: body.total_timeout_ms,
    httpProxy: body.http_proxy,
    coolDownSecondsMax: body.cool_down_seconds_max,
    probeIntervalSeconds: body.probe_interval_seconds,
    compaction: body.compaction,
    enabled: body.enabled,
  });
}

/** What operators set of an upstream and may read again, as the API shows it. */
export function shownUpstreamFields(row: UpstreamRow) {
  return {
    name: row.name,
    kind: row.kind,
    base_url: row.baseUrl,
    priority: row.priority,
    weight: row.weight,
    max_concurrency: row.maxConcurrency,
    stream_mode: row.streamMode,
    parameter_overrides: row.parameterOverrides as Upstream['parameter_overrides'],
    connect_timeout_ms: row.connectTimeoutMs,
    headers_timeout_ms: row.headersTimeoutMs,
    idle_timeout_ms: row.idleTimeoutMs,
    total_timeout_ms: row.totalTimeoutMs,
    cool_down_seconds_max: row.coolDownSecondsMax,
    probe_interval_seconds: row.probeIntervalSeconds,
    compaction: row.compaction as Upstream['compaction'],
    enabled: row.enabled,
    managed_by: row.managedBy as Upstream['managed_by'],
  };
}
