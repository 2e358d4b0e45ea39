import { execFileSync } from 'node:child_process';
import { appendFileSync, readFileSync } from 'node:fs';
import type { TestGateway } from '../support/gateway.js';

const { FUZZ_CASES, FUZZ_REPORT } = process.env;

/** Cases of each property: a few with `npm test`, many with `npm run fuzz`. */
export const CASES = Number(FUZZ_CASES ?? 100);
/** Whether there is time for what takes minutes. */
export const IS_LONG = FUZZ_CASES !== undefined;
/** Of one property. */
export const TIME_LIMIT_MS = IS_LONG ? 900_000 : 60_000;
/** By how much the gateway's memory may grow over a whole property. */
export const GROWTH_BYTES_MAX = 96 * 1024 * 1024;

/** Hands figures to `npm run fuzz`, which prints those of all specs as one line. */
export function report(name: string, figures: Record<string, number>): void {
  if (FUZZ_REPORT) appendFileSync(FUZZ_REPORT, `${JSON.stringify({ [name]: figures })}\n`);
}

/** Resident memory of the gateway's process. */
export function rssBytes({ process: { pid } }: TestGateway): number {
  if (process.platform === 'linux') {
    const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return Number(line?.[1]) * 1024;
  }
  return Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })) * 1024;
}

/** It has neither crashed nor hung, and has not complained of itself. */
export async function expectWell(gateway: TestGateway): Promise<void> {
  expect(gateway.process.exitCode).toBeNull();
  expect((await fetch(`${gateway.url}/livez`, { signal: AbortSignal.timeout(2_000) })).status).toBe(200);
  expect(gateway.output()).not.toMatch(/unhandled|uncaught|MaxListeners|"level":"fatal"/i);
}
