import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { PrismaService } from '@app/database';
import { Clock } from '@app/runtime';

const DAY_MS = 86_400_000;
/** Upstreams keep responses for thirty days or longer (protocol.md §1.1). */
const STORED_IDS_MS = 90 * DAY_MS;
const ORIGINS_MS = 30 * DAY_MS;
const PRUNE_EVERY_MS = 3_600_000;
const ROWS_PER_BATCH_MAX = 1_000;

/** Removes what is too old to be asked for, in small batches, so that nobody waits for it. */
@Injectable()
export class StoredIdPruner implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(StoredIdPruner.name);
  private timer: NodeJS.Timeout | null = null;
  private running: Promise<void> = Promise.resolve();
  private isStopping = false;

  constructor(
    private readonly prisma: PrismaService,
    private readonly clock: Clock,
  ) {}

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
      await this.deleteOlder('stored_ids', STORED_IDS_MS);
      await this.deleteOlder('encrypted_content_origins', ORIGINS_MS);
    } catch (error) {
      this.logger.warn(`old response ids were not removed: ${String(error)}`);
    }
  }

  private async deleteOlder(table: 'stored_ids' | 'encrypted_content_origins', ageMs: number): Promise<void> {
    const before = new Date(this.clock.now() - ageMs);
    // Replicas that prune at the same time take different rows.
    const text = `DELETE FROM ${table} WHERE ctid = ANY (ARRAY(
      SELECT ctid FROM ${table} WHERE created_at < $1 ORDER BY created_at LIMIT ${ROWS_PER_BATCH_MAX} FOR UPDATE SKIP LOCKED))`;
    let deleted = 0;
    do {
      deleted = (await this.prisma.pool.query(text, [before])).rowCount ?? 0;
    } while (deleted === ROWS_PER_BATCH_MAX && !this.isStopping);
  }
}
