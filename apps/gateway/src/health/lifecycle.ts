import { Injectable } from '@nestjs/common';

/** Something that runs for a client and can be told to come to an end. */
export interface RunningAnswer {
  /** Ends the answer before its time, with a word to the client. False: there is nothing to be ended any more. */
  cutOff(by: 'shutdown' | 'operator'): boolean;
  /** Called about every second, with the monotonic time. */
  tick(nowMs: number): void;
}

/** Whether the process is on its way out, and what still runs. */
@Injectable()
export class Lifecycle {
  /** Not ready: load balancers should look elsewhere. */
  isDraining = false;
  /** New calls are turned away. */
  isClosing = false;
  private readonly running = new Set<RunningAnswer>();

  opened(answer: RunningAnswer): void {
    this.running.add(answer);
  }

  closed(answer: RunningAnswer): void {
    this.running.delete(answer);
  }

  tick(nowMs: number): void {
    for (const answer of this.running) answer.tick(nowMs);
  }

  /** Ends what still runs, each with a word to its client. */
  shutDownAnswers(): void {
    for (const answer of this.running) answer.cutOff('shutdown');
  }
}
