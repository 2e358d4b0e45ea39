/** Bodies of which requests are stored, how much of them, and for how long. */
export interface BodyPolicy {
  readonly capture: 'errors' | 'sample' | 'always';
  /** The part of all requests that `sample` stores: 0 … 1. */
  readonly share: number;
  /** Of each direction. */
  readonly bytesMax: number;
  /** null: as long as all others */
  readonly retentionDays: number | null;
}

/** A policy as groups and keys have it in the database. */
export interface StoredBodyPolicy {
  readonly capture: 'never' | BodyPolicy['capture'];
  readonly sample_percent?: number;
  readonly max_bytes?: number;
  readonly retention_days?: number | null;
}

/** What is taken out of bodies before they are stored. */
export interface Redaction {
  readonly patterns: readonly string[];
  readonly jsonPaths: readonly string[];
}

/** Redaction as groups have it in the database. */
export interface StoredRedaction {
  readonly patterns: readonly string[];
  readonly json_paths: readonly string[];
}

const BYTES_MAX = 1024 * 1024;

/** The policy that was stored; null when no bodies are to be stored. */
export function bodyPolicyOf(stored: StoredBodyPolicy): BodyPolicy | null {
  const { capture, sample_percent: percent = 0, max_bytes: bytesMax = BYTES_MAX, retention_days: days = null } = stored;
  return capture === 'never' ? null : { capture, share: percent / 100, bytesMax, retentionDays: days };
}
