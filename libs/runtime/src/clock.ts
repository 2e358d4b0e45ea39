import { Injectable } from '@nestjs/common';

/** The only place that asks what time it is, so that a test can answer. */
@Injectable()
export class Clock {
  /** Wall-clock time in milliseconds since 1970. */
  now(): number {
    return Date.now();
  }

  /** Milliseconds of a clock that never steps, for durations. */
  monotonic(): number {
    return performance.now();
  }
}
