import { Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';

const PRUNE_EVERY_MS = 3_600_000;

/** Removes what is too old to be asked for, at the start and every hour, in small batches, so that nobody waits for it. */
export abstract class HourlyPruner implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(this.constructor.name);
  private timer: NodeJS.Timeout | null = null;
  private running: Promise<void> = Promise.resolve();
  /** No further batch is to begin. */
  protected isStopping = false;

  /** @param what it removes, in words */
  protected constructor(private readonly what: string) {}

  onApplicationBootstrap(): void {
    this.running = this.prune();
    this.timer = setInterval(() => (this.running = this.prune()), PRUNE_EVERY_MS);
    this.timer.unref();
  }

  async onApplicationShutdown(): Promise<void> {
    this.isStopping = true;
    if (this.timer) clearInterval(this.timer);
    await this.running;
  }

  /** A failure is no reason to stop: the next hour tries again. */
  async prune(): Promise<void> {
    try {
      await this.removeOld();
    } catch (error) {
      this.logger.warn(`${this.what} were not removed: ${String(error)}`);
    }
  }

  /** Batch by batch, until nothing old is left or it `isStopping`. */
  protected abstract removeOld(): Promise<void>;
}
