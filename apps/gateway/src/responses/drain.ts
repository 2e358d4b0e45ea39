/** How long, and how much, is read on. */
export interface DrainLimits {
  readonly drainMsMax: number;
  readonly drainBytesMax: number;
}

/** Whoever reads on. */
export interface Drained {
  endDrain(action: 'drain_capped'): void;
}

/** An upstream that is read to its end, though the client has left: within bounds. */
export class Drain {
  /** Resolves when it is over. */
  readonly ended: Promise<void>;
  isOver = false;
  private bytes = 0;
  private readonly timer: NodeJS.Timeout;
  private resolve!: () => void;

  constructor(
    private readonly limits: DrainLimits,
    private readonly drained: Drained,
  ) {
    this.ended = new Promise((resolve) => (this.resolve = resolve));
    this.timer = setTimeout(() => drained.endDrain('drain_capped'), limits.drainMsMax);
  }

  /** So many more bytes have come. */
  take(bytes: number): void {
    this.bytes += bytes;
    if (this.bytes > this.limits.drainBytesMax) this.drained.endDrain('drain_capped');
  }

  end(): void {
    this.isOver = true;
    clearTimeout(this.timer);
    this.resolve();
  }
}
