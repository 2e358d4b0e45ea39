import { ProcessLoad } from './process-load.js';

/** When a process has enough to do. */
export interface AdmissionLimits {
  /** Data-plane requests that may run at once. */
  inFlightMax: number;
  /** The part of them that is kept for requests which go on with a session. */
  sessionShare: number;
  /** Of V8's own limit. */
  heapShareMax: number;
  /** Of the event loop's own making: while it is busy for less than a share of the time, others keep it waiting. */
  loopDelayMsMax: number;
  loopBusyShareMin: number;
  sampleEveryMs: number;
}

export const ADMISSION_LIMITS: Omit<AdmissionLimits, 'inFlightMax' | 'loopDelayMsMax'> = {
  sessionShare: 0.2,
  heapShareMax: 0.85,
  loopBusyShareMin: 0.9,
  sampleEveryMs: 500,
};

/** Why a request was turned away. */
export type ShedReason = 'in_flight' | 'heap' | 'event_loop' | 'journal';

const SAMPLES = 4;

/**
 * Decides whether another request may begin. What it measures is measured in the background; asking costs a few comparisons.
 * What has begun is never its business.
 */
export class Admission {
  /** How many were turned away since the start. */
  readonly shed: Record<ShedReason, number> = { in_flight: 0, heap: 0, event_loop: 0, journal: 0 };
  private sampler: NodeJS.Timeout | undefined;
  private readonly delaysMs: number[] = Array.from({ length: SAMPLES }, () => 0);
  /** What of the process itself, its memory or its event loop, has too much to do. */
  overload: ShedReason | null = null;

  constructor(
    private readonly limits: AdmissionLimits,
    private readonly load: Pick<ProcessLoad, 'start' | 'stop' | 'sample'> = new ProcessLoad(SAMPLES),
  ) {}

  /** Begins to measure: not before the process listens, as a start keeps it busy for a while. */
  start(): void {
    this.load.start();
    this.sampler = setInterval(() => this.sample(), this.limits.sampleEveryMs).unref();
  }

  /**
   * Whether a request is turned away, and why.
   *
   * @param inFlight requests that run, this one among them
   * @param isUnloggable it would use what is billed, and there is nowhere to write that down
   */
  refuses(inFlight: number, continuesSession: boolean, isUnloggable = false): ShedReason | null {
    const isCrowded = inFlight > this.room(continuesSession);
    const reason = this.overload ?? (isUnloggable ? 'journal' : isCrowded ? 'in_flight' : null);
    if (reason) this.shed[reason]++;
    return reason;
  }

  stop(): void {
    clearInterval(this.sampler);
    this.load.stop();
  }

  private room(continuesSession: boolean): number {
    const { inFlightMax, sessionShare } = this.limits;
    return continuesSession ? inFlightMax : Math.ceil(inFlightMax * (1 - sessionShare));
  }

  /**
   * Late is the loop by the worst sample but one of the last four, as one pause alone is no overload; and only while it is really
   * busy: on a crowded machine it is late without having too much to do.
   */
  private sample(): void {
    const { heapShare, loopDelayMs, loopBusyShare } = this.load.sample();
    this.delaysMs.shift();
    this.delaysMs.push(loopDelayMs);
    const [, second = 0] = this.delaysMs.toSorted((a, b) => b - a);
    const isLate = second >= this.limits.loopDelayMsMax && loopBusyShare >= this.limits.loopBusyShareMin;
    this.overload = heapShare >= this.limits.heapShareMax ? 'heap' : isLate ? 'event_loop' : null;
  }
}
