import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { PrismaService } from '@app/database';
import { Clock } from '@app/runtime';

const DAYS_BEHIND = 1;
const DAYS_AHEAD = 7;
const CHECK_EVERY_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** Sees to it that the request log has its partitions a week ahead. */
@Injectable()
export class PartitionKeeper implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(PartitionKeeper.name);
  private timer: NodeJS.Timeout | null = null;

  constructor(
    private readonly prisma: PrismaService,
    private readonly clock: Clock,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.createPartitions();
    this.timer = setInterval(() => {
      // A week of partitions is there: a failed attempt has many more to come.
      this.createPartitions().catch((error) => this.logger.warn(`partitions were not created: ${String(error)}`));
    }, CHECK_EVERY_MS);
    this.timer.unref();
  }

  onApplicationShutdown(): void {
    if (this.timer) clearInterval(this.timer);
  }

  private async createPartitions(): Promise<void> {
    const first = new Date(this.clock.now() - DAYS_BEHIND * DAY_MS).toISOString().slice(0, 10);
    await this.prisma.$executeRaw`
      SELECT create_request_log_partitions(${first}::date, ${DAYS_BEHIND + 1 + DAYS_AHEAD}::int)`;
  }
}
