import type { ThrottlerStorage } from '@nestjs/throttler';
import { trackerOf } from './client-tracker.js';

export const MINUTE_MS = 60_000;

/** How many requests of one client are answered within a minute. */
export interface ThrottleLimits {
  /** Requests of operators. */
  readonly admin: number;
  /** Requests to the admin API without its token. */
  readonly admin_failures: number;
  /** Passwords that are to be checked. */
  readonly sign_ins: number;
  /** Requests to the data plane without a valid key. */
  readonly strangers: number;
}

/** Counts, where no guard of Nest's is on the way, requests that a client may not send for as long as it likes. */
export class Throttles {
  constructor(
    private readonly counts: ThrottlerStorage,
    private readonly limits: ThrottleLimits,
  ) {}

  /** Counts a request from this address. @returns the seconds to wait when it is one too many, else 0 */
  async count(throttler: keyof ThrottleLimits, address: string | undefined): Promise<number> {
    const limit = this.limits[throttler];
    const { timeToBlockExpire } = await this.counts.increment(trackerOf(address), MINUTE_MS, limit, 0, throttler);
    return timeToBlockExpire;
  }
}
