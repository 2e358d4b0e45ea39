import { type EventLoopUtilization, type IntervalHistogram, monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';

const NANOSECONDS_PER_MS = 1e6;

/** How much a process has to do. */
export interface LoadSample {
  /** Of V8's own limit. */
  readonly heapShare: number;
  /** How late the event loop was, by its 99th percentile since the last sample. */
  readonly loopDelayMs: number;
  /** Of the time of the last samples, the part in which it was not waiting. */
  readonly loopBusyShare: number;
}

/** What this process says of itself; measured in the background once it is started. */
export class ProcessLoad {
  private readonly loopDelay: IntervalHistogram = monitorEventLoopDelay({ resolution: 10 });
  private utilizations: EventLoopUtilization[] = [];

  /** @param samples how many of them the busy share is over */
  constructor(private readonly samples: number) {}

  start(): void {
    this.utilizations = [performance.eventLoopUtilization()];
    this.loopDelay.enable();
  }

  stop(): void {
    this.loopDelay.disable();
  }

  sample(): LoadSample {
    const loopDelayMs = this.loopDelay.percentile(99) / NANOSECONDS_PER_MS;
    this.loopDelay.reset();
    const now = performance.eventLoopUtilization();
    this.utilizations.push(now);
    if (this.utilizations.length > this.samples + 1) this.utilizations.shift();
    const { utilization } = performance.eventLoopUtilization(now, this.utilizations[0]);
    const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics();
    return { heapShare: used / limit, loopDelayMs, loopBusyShare: utilization };
  }
}
