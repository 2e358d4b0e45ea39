import type { Bench } from './bench.js';

/** A promise of the gateway, and how it is put to the test. */
export interface Check {
  /** What `--only` calls it. */
  readonly name: string;
  /** One line: what is expected. */
  readonly promise: string;
  /**
   * Resolves with what was seen when the promise is kept.
   *
   * @throws CheckFailed when it is broken, CheckSkipped when that cannot be found out
   */
  run(bench: Bench): Promise<string>;
}

/** How a check came out. */
export interface CheckResult {
  readonly name: string;
  readonly promise: string;
  readonly result: 'passed' | 'failed' | 'skipped';
  readonly seen: string;
  readonly ms: number;
}
