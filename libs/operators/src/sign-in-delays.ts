import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Clock } from '@app/runtime';

const FREE_FAILURES = 5;
const DELAY_MS_MAX = 15 * 60_000;
const KNOWN_MAX = 10_000;

interface Failures {
  readonly count: number;
  readonly untilMs: number;
}

/**
 * Who has failed to sign in waits longer each time, by account and address together: nobody can lock somebody else out. Known in
 * this process only; how many sign-ins an address may try at all is counted for all replicas.
 */
@Injectable()
export class SignInDelays {
  private readonly failures = new LRUCache<string, Failures>({ max: KNOWN_MAX, ttl: 2 * DELAY_MS_MAX });

  constructor(private readonly clock: Clock) {}

  /** Seconds to wait; 0: none. */
  secondsFor(email: string, address: string): number {
    const known = this.failures.get(keyOf(email, address));
    return known ? Math.max(0, Math.ceil((known.untilMs - this.clock.monotonic()) / 1_000)) : 0;
  }

  noteFailure(email: string, address: string): void {
    const key = keyOf(email, address);
    const count = (this.failures.get(key)?.count ?? 0) + 1;
    const delayMs = count < FREE_FAILURES ? 0 : Math.min(DELAY_MS_MAX, 1_000 * 2 ** (count - FREE_FAILURES));
    this.failures.set(key, { count, untilMs: this.clock.monotonic() + delayMs });
  }

  noteSuccess(email: string, address: string): void {
    this.failures.delete(keyOf(email, address));
  }
}

function keyOf(email: string, address: string): string {
  return `${address} ${email}`;
}
