import { type EventLoopUtilization, type IntervalHistogram, monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';

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

export const ADMISSION_LIMITS: Omit<AdmissionLimits, 'inFlightMax'> = {
  sessionShare: 0.2,
  heapShareMax: 0.85,
  loopDelayMsMax: 200,
  loopBusyShareMin: 0.9,
  sampleEveryMs: 500,
};

/** Why a request was turned away. */
export type ShedReason = 'in_flight' | 'heap' | 'event_loop' | 'journal';

const SAMPLES = 4;
const NANOSECONDS_PER_MS = 1e6;

/**
 * Decides whether another request may begin. What it measures is measured in the background; asking costs a few comparisons.
 * What has begun is never its business.
 */
export class Admission {
  /** How many were turned away since the start. */
  readonly shed: Record<ShedReason, number> = { in_flight: 0, heap: 0, event_loop: 0, journal: 0 };
  private readonly loopDelay: IntervalHistogram = monitorEventLoopDelay({ resolution: 10 });
  private sampler: NodeJS.Timeout | undefined;
  private readonly delaysMs: number[] = Array.from({ length: SAMPLES }, () => 0);
  private utilizations: EventLoopUtilization[] = [];
  /** What of the process itself, its memory or its event loop, has too much to do. */
  overload: ShedReason | null = null;

  constructor(private readonly limits: AdmissionLimits) {}

  /** Begins to measure: not before the process listens, as a start keeps it busy for a while. */
  start(): void {
    this.utilizations = [performance.eventLoopUtilization()];
    this.loopDelay.enable();
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
    this.loopDelay.disable();
  }

  private room(continuesSession: boolean): number {
    const { inFlightMax, sessionShare } = this.limits;
    return continuesSession ? inFlightMax : Math.ceil(inFlightMax * (1 - sessionShare));
  }

  private sample(): void {
    this.delaysMs.shift();
    this.delaysMs.push(this.loopDelay.percentile(99) / NANOSECONDS_PER_MS);
    this.loopDelay.reset();
    const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics();
    if (used / limit >= this.limits.heapShareMax) this.overload = 'heap';
    else this.overload = this.isLoopLate() ? 'event_loop' : null;
  }

  /**
   * By the 99th percentile of the worst half-second but one of the last two seconds, as one pause alone is no overload; and
   * only while the loop is really busy: on a crowded machine it is late without having too much to do.
   */
  private isLoopLate(): boolean {
    const now = performance.eventLoopUtilization();
    this.utilizations.push(now);
    if (this.utilizations.length > SAMPLES + 1) this.utilizations.shift();
    const { utilization } = performance.eventLoopUtilization(now, this.utilizations[0]);
    const [, second = 0] = this.delaysMs.toSorted((a, b) => b - a);
    return second >= this.limits.loopDelayMsMax && utilization >= this.limits.loopBusyShareMin;
  }
}
