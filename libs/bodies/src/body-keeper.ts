import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { PrismaService } from '@app/database';
import { Clock } from '@app/runtime';
import { StorageSettings } from '@app/storage';
import { dayOf } from './body-keys.js';

const CHECK_EVERY_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** Sees to it every hour that the keys of days that are over are gone, and with them their bodies, whose partitions go by themselves. */
@Injectable()
export class BodyKeeper implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(BodyKeeper.name);
  private timer: NodeJS.Timeout | null = null;
  private dropping: Promise<void> = Promise.resolve();

  constructor(
    private readonly prisma: PrismaService,
    private readonly settings: StorageSettings,
    private readonly clock: Clock,
  ) {}

  onApplicationBootstrap(): void {
    this.keep();
    this.timer = setInterval(() => this.keep(), CHECK_EVERY_MS);
    this.timer.unref();
  }

  async onApplicationShutdown(): Promise<void> {
    if (this.timer) clearInterval(this.timer);
    await this.dropping;
  }

  /** Nobody waits for this. A failure is no reason to stop: what is over cannot be read any more, and the next hour tries again. */
  private keep(): void {
    this.dropping = this.dropWhatIsOver().catch((error: unknown) => {
      this.logger.warn(`bodies that are over were not dropped: ${String(error)}`);
    });
  }

  private async dropWhatIsOver(): Promise<void> {
    const { requestBodiesDays } = await this.settings.read();
    const [server] = await this.prisma.$queryRaw<{ now: Date }[]>`SELECT now()`;
    // A clock that runs ahead must not cost a day: two clocks have to agree that it is over.
    const nowMs = Math.min(this.clock.now(), server?.now.getTime() ?? 0);
    const firstKept = dayOf(nowMs - requestBodiesDays * DAY_MS);
    await this.prisma.bodyKey.deleteMany({ where: { day: { lt: new Date(firstKept) } } });
    await this.prisma.bodyErasure.deleteMany({ where: { erasedAt: { lt: new Date(Date.parse(firstKept) - DAY_MS) } } });
    await this.prisma.requestBody.deleteMany({ where: { keepUntil: { lt: new Date(nowMs) } } });
  }
}
