import type { Pool } from 'undici';

/** `codex` upstreams keep no responses: every call to them carries `store: false`. */
export type UpstreamKind = 'openai' | 'codex';

/** An upstream as the hot path needs it. */
export interface Upstream {
  readonly id: string;
  readonly name: string;
  readonly kind: UpstreamKind;
  readonly baseUrl: string;
  /** Path of the base URL without a slash at its end; routes are appended to it. */
  readonly path: string;
  readonly authorization: string | null;
  /** Lower is tried first; among equals, higher weight first. */
  readonly priority: number;
  readonly weight: number;
  readonly isDemo: boolean;
  readonly pool: Pool;
  readonly health: UpstreamHealth;
}

/** An upstream that can serve a call, and what the model is called there. */
export interface Candidate {
  readonly upstream: Upstream;
  readonly upstreamModel: string;
}

const COOL_DOWN_MS = 5_000;

/** Passive health: an upstream that could not be reached is tried last for a while. */
export class UpstreamHealth {
  private unreachableUntilMs = 0;

  /** @param nowMs monotonic time */
  isHealthy(nowMs: number): boolean {
    return nowMs >= this.unreachableUntilMs;
  }

  noteUnreachable(nowMs: number): void {
    this.unreachableUntilMs = nowMs + COOL_DOWN_MS;
  }

  noteReached(): void {
    this.unreachableUntilMs = 0;
  }
}
