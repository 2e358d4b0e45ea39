import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { IdempotencyKeys } from './idempotency-keys.js';

const PRUNE_EVERY_MS = 3_600_000;

/** Removes kept answers that are older than a day, in small batches, so that nobody waits for it. */
@Injectable()
export class IdempotencyKeyPruner implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(IdempotencyKeyPruner.name);
  private timer: NodeJS.Timeout | null = null;
  private running: Promise<void> = Promise.resolve();
  private isStopping = false;

  constructor(private readonly keys: IdempotencyKeys) {}

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
  private async prune(): Promise<void> {
    try {
      while ((await this.keys.deleteOld()) && !this.isStopping);
    } catch (error) {
      this.logger.warn(`old idempotency keys were not removed: ${String(error)}`);
    }
  }
}
