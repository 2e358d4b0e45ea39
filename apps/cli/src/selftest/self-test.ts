import { Bench, type BenchOptions } from './bench.js';
import type { Check, CheckResult } from './check.js';
import { CheckFailed, CheckSkipped, SelfTestError } from './expectations.js';
import { ACCOUNTING_CHECKS, LAST_CHECKS } from './checks/accounting.js';
import { COMPACTION_CHECKS } from './checks/compaction.js';
import { ENCODING_CHECKS } from './checks/encodings.js';
import { ERROR_CHECKS } from './checks/errors.js';
import { SESSION_CHECKS } from './checks/sessions.js';
import { LARGE_CHECKS, STREAMING_CHECKS } from './checks/streaming.js';

const AT_ONCE: readonly Check[] = [
  ...STREAMING_CHECKS,
  ...SESSION_CHECKS,
  ...ENCODING_CHECKS,
  ...COMPACTION_CHECKS,
  ...ERROR_CHECKS,
  ...ACCOUNTING_CHECKS,
];
/** One after the other, behind those. */
const ALONE: readonly Check[] = [...LARGE_CHECKS, ...LAST_CHECKS];
/** All checks, in the order of the table. */
export const CHECKS: readonly Check[] = [...AT_ONCE, ...ALONE];

/** How many run at the same time. */
const CONCURRENCY = 4;
/** A check that takes longer has failed; nothing of it goes on behind that. */
const CHECK_MS_MAX = 25_000;

/** What a run is asked for. */
export interface SelfTestOptions extends BenchOptions {
  /** Names of checks; none: all of them. */
  readonly only: readonly string[];
  /** Leaves what was made in the gateway. */
  readonly keeps: boolean;
}

/** What a run has come to. */
export interface SelfTestReport {
  readonly results: readonly CheckResult[];
  /** What could not be removed, with the reason. */
  readonly left: readonly string[];
  /** What the names of all begin with that was kept on purpose; null when nothing was. */
  readonly kept: string | null;
  readonly ms: number;
}

/**
 * Runs the checks against a gateway, and removes what they needed there, also when the signal ends it.
 *
 * @throws SelfTestError when they cannot run
 */
export async function runSelfTest(options: SelfTestOptions, signal: AbortSignal): Promise<SelfTestReport> {
  const startedAtMs = performance.now();
  const isWanted = chosen(options.only);
  const bench = await Bench.open(options, signal);
  const results = new Map<Check, CheckResult>();
  let left: string[] = [];
  try {
    const waiting = AT_ONCE.filter(isWanted);
    // The one that waits for a silence begins first, so that the others fill it.
    waiting.sort((one, other) => Number(other.name === 'keep-alive') - Number(one.name === 'keep-alive'));
    const work = async (): Promise<void> => {
      for (let check = waiting.shift(); check && !signal.aborted; check = waiting.shift()) {
        results.set(check, await resultOf(check, bench));
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, work));
    for (const check of ALONE.filter(isWanted)) {
      if (!signal.aborted) results.set(check, await resultOf(check, bench));
    }
  } finally {
    left = await bench.close(options);
  }
  return {
    results: CHECKS.filter(isWanted).map((check) => results.get(check) ?? notRun(check)),
    kept: options.keeps ? bench.prefix : null,
    left,
    ms: Math.round(performance.now() - startedAtMs),
  };
}

const ENDED = 'the run was ended before';

function notRun({ name, promise }: Check): CheckResult {
  return { name, promise, result: 'skipped', seen: ENDED, ms: 0 };
}

function chosen(only: readonly string[]): (check: Check) => boolean {
  const unknown = only.find((name) => !CHECKS.some((check) => check.name === name));
  if (unknown !== undefined) {
    throw new SelfTestError(`There is no check ${unknown}. There are: ${CHECKS.map(({ name }) => name).join(', ')}.`);
  }
  return ({ name }) => only.length === 0 || only.includes(name);
}

async function resultOf(check: Check, bench: Bench): Promise<CheckResult> {
  const { name, promise } = check;
  const startedAtMs = performance.now();
  const limitMs = CHECK_MS_MAX * bench.patience;
  const limit = AbortSignal.timeout(limitMs);
  const end = (result: CheckResult['result'], seen: string): CheckResult => ({
    name,
    promise,
    result,
    seen,
    ms: Math.round(performance.now() - startedAtMs),
  });
  try {
    return end('passed', await check.run(bench.until(AbortSignal.any([bench.signal, limit]))));
  } catch (error) {
    if (bench.signal.aborted) return end('skipped', ENDED);
    if (limit.aborted) return end('failed', `it was not done after ${limitMs / 1000} s: ${(error as Error).message}`);
    if (error instanceof CheckSkipped) return end('skipped', error.message);
    if (error instanceof CheckFailed || error instanceof SelfTestError) return end('failed', error.message);
    return end('failed', `${(error as Error).stack}`);
  }
}
