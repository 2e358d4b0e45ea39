import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { AlertType } from '@app/contract';
import { type Prisma, PrismaService } from '@app/database';
import { Clock } from '@app/runtime';
import { StorageSettings } from '@app/storage';

export type AlertRow = Prisma.AlertGetPayload<object>;

const DAY_MS = 86_400_000;
const PRUNE_EVERY_MS = 3_600_000;
const ROWS_PER_BATCH_MAX = 1_000;

/** Alerts, with what became of their deliveries; those that are older than operators keep them are removed every hour. */
@Injectable()
export class AlertHistory implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(AlertHistory.name);
  private timer: NodeJS.Timeout | null = null;
  private pruning: Promise<void> = Promise.resolve();
  private isStopping = false;

  constructor(
    private readonly prisma: PrismaService,
    private readonly clock: Clock,
    private readonly settings: StorageSettings,
  ) {}

  /** Newest first; `beforeId` is the last id of the page before. */
  list(page: { limit: number; beforeId: string | null; type: AlertType | null }): Promise<AlertRow[]> {
    return this.prisma.alert.findMany({
      where: { ...(page.beforeId ? { id: { lt: page.beforeId } } : {}), ...(page.type ? { type: page.type } : {}) },
      orderBy: { id: 'desc' },
      take: page.limit,
    });
  }

  onApplicationBootstrap(): void {
    this.pruning = this.prune();
    this.timer = setInterval(() => (this.pruning = this.prune()), PRUNE_EVERY_MS);
    this.timer.unref();
  }

  async onApplicationShutdown(): Promise<void> {
    this.isStopping = true;
    if (this.timer) clearInterval(this.timer);
    await this.pruning;
  }

  private async prune(): Promise<void> {
    const text = `DELETE FROM alerts WHERE ctid = ANY (ARRAY(SELECT ctid FROM alerts WHERE created_at < $1
      ORDER BY id LIMIT ${ROWS_PER_BATCH_MAX} FOR UPDATE SKIP LOCKED))`;
    try {
      const { alertsDays } = await this.settings.read();
      let deleted = 0;
      do {
        const before = new Date(this.clock.now() - alertsDays * DAY_MS);
        deleted = (await this.prisma.pool.query(text, [before])).rowCount ?? 0;
      } while (deleted === ROWS_PER_BATCH_MAX && !this.isStopping);
    } catch (error) {
      this.logger.warn(`old alerts were not removed: ${String(error)}`); // the next hour tries again
    }
  }
}
