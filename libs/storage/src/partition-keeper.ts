import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { PrismaService } from '@app/database';
import { Clock } from '@app/runtime';
import { PARTITIONED_TABLES, type PartitionedTable } from './partitioned-tables.js';
import { Retention } from './retention.js';

const BEHIND = 1;
const CHECK_EVERY_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** Sees to it every hour that what is partitioned has its partitions ahead, and none that is over. */
@Injectable()
export class PartitionKeeper implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(PartitionKeeper.name);
  private timer: NodeJS.Timeout | null = null;
  private dropping: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly prisma: PrismaService,
    private readonly clock: Clock,
    private readonly retention: Retention,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.keep();
    this.timer = setInterval(() => void this.keep(), CHECK_EVERY_MS);
    this.timer.unref();
  }

  async onApplicationShutdown(): Promise<void> {
    if (this.timer) clearInterval(this.timer);
    this.retention.stop();
    await this.dropping;
  }

  /** A failure is no reason to stop: there are partitions for a week, and the default one behind them. */
  private async keep(): Promise<void> {
    try {
      for (const table of PARTITIONED_TABLES) await this.createAhead(table);
    } catch (error) {
      this.logger.warn(`partitions were not created: ${String(error)}`);
    }
    // Nobody waits for this.
    this.dropping = this.retention.run().catch((error: unknown) => {
      this.logger.warn(`partitions that are over were not dropped: ${String(error)}`);
    });
  }

  private async createAhead({ name, by, unit, ahead }: PartitionedTable): Promise<void> {
    const now = new Date(this.clock.now());
    const first =
      unit === 'day' ? now.getTime() - BEHIND * DAY_MS : Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - BEHIND, 1);
    const firstDay = new Date(first).toISOString().slice(0, 10);
    await this.prisma.$executeRaw`
      SELECT create_partitions(${name}, ${by}, ${unit}, ${firstDay}::date, ${BEHIND + 1 + ahead}::int)`;
  }
}
