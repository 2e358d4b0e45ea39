import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { PrismaService } from '@app/database';
import { Clock } from '@app/runtime';

const DAYS_BEHIND = 1;
const DAYS_AHEAD = 7;
const CHECK_EVERY_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** Sees to it that the request log and the totals by the minute have their partitions a week ahead, and drops the latter's old ones. */
@Injectable()
export class PartitionKeeper implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(PartitionKeeper.name);
  private timer: NodeJS.Timeout | null = null;

  constructor(
    private readonly prisma: PrismaService,
    private readonly clock: Clock,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.keep();
    this.timer = setInterval(() => void this.keep(), CHECK_EVERY_MS);
    this.timer.unref();
  }

  onApplicationShutdown(): void {
    if (this.timer) clearInterval(this.timer);
  }

  /** A failure is no reason to stop: there are partitions for a week, and the default one behind them. */
  private async keep(): Promise<void> {
    try {
      await this.createPartitions();
      await this.prisma.$executeRaw`SELECT keep_usage_minutes()`;
    } catch (error) {
      this.logger.warn(`partitions were not created or dropped: ${String(error)}`);
    }
  }

  private async createPartitions(): Promise<void> {
    const first = new Date(this.clock.now() - DAYS_BEHIND * DAY_MS).toISOString().slice(0, 10);
    await this.prisma.$executeRaw`
      SELECT create_request_log_partitions(${first}::date, ${DAYS_BEHIND + 1 + DAYS_AHEAD}::int)`;
  }
}
