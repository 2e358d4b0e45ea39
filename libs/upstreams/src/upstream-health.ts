/** closed: calls go through. open: it is tried last. half_open: one call at a time is a trial. */
export type Circuit = 'closed' | 'open' | 'half_open';

/** What `GET /admin/v1/upstreams` shows of an upstream's health; times are monotonic milliseconds. */
export interface HealthReport {
  readonly circuit: Circuit;
  readonly isTripped: boolean;
  readonly inFlight: number;
  readonly consecutiveFailures: number;
  readonly opensForMs: number | null;
  readonly coolsDownForMs: number | null;
  readonly lastProblem: string | null;
  readonly lastProblemAtMs: number | null;
  readonly lastSuccessAtMs: number | null;
}

const FAILURES_TO_OPEN = 5;
const OPEN_MS_MIN = 2_000;
const OPEN_MS_MAX = 30_000;

/**
 * What this process has seen of an upstream: a circuit breaker over failures in a row, pauses that the upstream asked for,
 * and how many calls are running. A client that left says nothing about the upstream, and is never counted.
 */
export class UpstreamHealth {
  /** Taken out of use by an operator, until it is reset. */
  isTripped = false;
  inFlight = 0;
  private failuresInARow = 0;
  /** How long the circuit stays open; 0: it is closed. Doubles with each trial that fails. */
  private openMs = 0;
  private openUntilMs = 0;
  private isTrialRunning = false;
  private coolDownUntilMs = 0;
  private lastProblem: string | null = null;
  private lastProblemAtMs: number | null = null;
  private lastSuccessAtMs: number | null = null;

  circuit(nowMs: number): Circuit {
    if (this.openMs === 0) return 'closed';
    return nowMs < this.openUntilMs ? 'open' : 'half_open';
  }

  isCoolingDown(nowMs: number): boolean {
    return nowMs < this.coolDownUntilMs;
  }

  /** Whether a new call should go here before any upstream of which this is not true. */
  isAvailable(nowMs: number): boolean {
    if (this.isTripped || this.isCoolingDown(nowMs)) return false;
    const circuit = this.circuit(nowMs);
    return circuit === 'closed' || (circuit === 'half_open' && !this.isTrialRunning);
  }

  noteStarted(nowMs: number): void {
    this.inFlight++;
    if (this.circuit(nowMs) === 'half_open') this.isTrialRunning = true;
  }

  /** However a call ended; what it says about the upstream is told by the other methods, before. */
  noteEnded(): void {
    this.inFlight--;
    this.isTrialRunning = false;
  }

  /** It has begun to answer: the trial is over. The next failure opens the circuit again. */
  noteAnswering(): void {
    if (this.openMs === 0) return;
    this.openMs = 0;
    this.failuresInARow = FAILURES_TO_OPEN - 1;
  }

  noteSuccess(nowMs: number): void {
    this.openMs = 0;
    this.failuresInARow = 0;
    this.lastSuccessAtMs = nowMs;
  }

  /** @param isUnreachable no connection could be made: it opens the circuit at once */
  noteFailure(nowMs: number, problem: string, isUnreachable: boolean): void {
    this.failuresInARow++;
    this.noteProblem(nowMs, problem);
    if (!isUnreachable && this.failuresInARow < FAILURES_TO_OPEN && this.openMs === 0) return;
    // Calls that began before it opened, and fail now, do not prolong it.
    if (this.circuit(nowMs) === 'open') return;
    this.openMs = Math.min(OPEN_MS_MAX, Math.max(OPEN_MS_MIN, this.openMs * 2));
    this.openUntilMs = nowMs + this.openMs;
  }

  /** It asked for a pause. */
  noteCoolDown(nowMs: number, problem: string, pauseMs: number): void {
    this.noteProblem(nowMs, problem);
    this.coolDownUntilMs = Math.max(this.coolDownUntilMs, nowMs + pauseMs);
  }

  /** Forgets everything that speaks against it. */
  reset(): void {
    this.openMs = 0;
    this.failuresInARow = 0;
    this.coolDownUntilMs = 0;
  }

  report(nowMs: number): HealthReport {
    const circuit = this.circuit(nowMs);
    return {
      circuit,
      isTripped: this.isTripped,
      inFlight: this.inFlight,
      consecutiveFailures: this.failuresInARow,
      opensForMs: circuit === 'open' ? this.openUntilMs - nowMs : null,
      coolsDownForMs: this.isCoolingDown(nowMs) ? this.coolDownUntilMs - nowMs : null,
      lastProblem: this.lastProblem,
      lastProblemAtMs: this.lastProblemAtMs,
      lastSuccessAtMs: this.lastSuccessAtMs,
    };
  }

  private noteProblem(nowMs: number, problem: string): void {
    this.lastProblem = problem;
    this.lastProblemAtMs = nowMs;
  }
}
