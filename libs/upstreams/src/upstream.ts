import type { MemberOverride } from '@app/protocol';
import type { UpstreamHealth } from './upstream-health.js';
import type { UpstreamPool } from './upstream-pool.js';

/** `codex` upstreams keep no responses: every call to them carries `store: false`. */
export type UpstreamKind = 'openai' | 'codex';

/** How an upstream can answer. */
export type StreamMode = 'both' | 'stream_only' | 'json_only';

/** What an operator says of an upstream's knowledge of compaction; `auto`: that is found out. */
export type CompactionMode = 'auto' | 'native' | 'emulate' | 'refuse';

/** An upstream as the hot path needs it. */
export interface Upstream {
  readonly id: string;
  readonly name: string;
  readonly kind: UpstreamKind;
  readonly baseUrl: string;
  readonly origin: string;
  /** Path of the base URL without a slash at its end; routes are appended to it. */
  readonly path: string;
  readonly authorization: string | null;
  /** Names (lower case) and values in turn; they come before what a client sent under the same name. */
  readonly extraHeaders: readonly string[];
  readonly overrides: readonly MemberOverride[];
  readonly streamMode: StreamMode;
  readonly compaction: CompactionMode;
  /** Lower is tried first. */
  readonly priority: number;
  /** Share of the sessions among equals. */
  readonly weight: number;
  /** Calls at the same time in this process; Infinity: no limit. */
  readonly inFlightMax: number;
  /** Longest duration of a whole answer; Infinity: no limit. */
  readonly totalTimeoutMs: number;
  readonly coolDownMsMax: number;
  readonly probeIntervalMs: number | null;
  readonly isDemo: boolean;
  /** Where its share of the sessions lies; the same on every replica. */
  readonly seed: number;
  readonly pool: UpstreamPool;
  readonly health: UpstreamHealth;
}

/** An upstream that can serve a call, and what the model is called there. */
export interface Candidate {
  readonly upstream: Upstream;
  readonly upstreamModel: string;
}
