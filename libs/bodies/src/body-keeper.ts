import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { PrismaService } from '@app/database';
import { Clock } from '@app/runtime';
import { dayOf } from './body-keys.js';
import { BodyOptions } from './body-options.js';

const DAYS_BEHIND = 1;
const DAYS_AHEAD = 7;
const CHECK_EVERY_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** What waits for a lock has all that comes behind it wait, too: rather in an hour than long. */
const LOCK_MS_MAX = 250;

/** Sees to it every hour that bodies have their partitions a week ahead, and that what is over is gone: its keys first. */
@Injectable()
export class BodyKeeper implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(BodyKeeper.name);
  private timer: NodeJS.Timeout | null = null;
  private dropping: Promise<void> = Promise.resolve();

  constructor(
    private readonly prisma: PrismaService,
    private readonly options: BodyOptions,
    private readonly clock: Clock,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.keep();
    this.timer = setInterval(() => void this.keep(), CHECK_EVERY_MS);
    this.timer.unref();
  }

  async onApplicationShutdown(): Promise<void> {
    if (this.timer) clearInterval(this.timer);
    await this.dropping;
  }

  /** A failure is no reason to stop: what is over cannot be read any more, and the next hour tries again. */
  private async keep(): Promise<void> {
    try {
      await this.createPartitions();
    } catch (error) {
      this.logger.warn(`partitions of bodies were not created: ${String(error)}`);
    }
    // Nobody waits for this.
    this.dropping = this.dropWhatIsOver().catch((error: unknown) => {
      this.logger.warn(`bodies that are over were not dropped: ${String(error)}`);
    });
  }

  private async createPartitions(): Promise<void> {
    const first = dayOf(this.clock.now() - DAYS_BEHIND * DAY_MS);
    await this.prisma.$executeRaw`
      SELECT create_request_bodies_partitions(${first}::date, ${DAYS_BEHIND + 1 + DAYS_AHEAD}::int)`;
  }

  private async dropWhatIsOver(): Promise<void> {
    const [server] = await this.prisma.$queryRaw<{ now: Date }[]>`SELECT now()`;
    // A clock that runs ahead must not cost a day: two clocks have to agree that it is over.
    const nowMs = Math.min(this.clock.now(), server?.now.getTime() ?? 0);
    const firstKept = dayOf(nowMs - this.options.retentionDays * DAY_MS);
    await this.prisma.bodyKey.deleteMany({ where: { day: { lt: new Date(firstKept) } } });
    await this.prisma.bodyErasure.deleteMany({ where: { erasedAt: { lt: new Date(Date.parse(firstKept) - DAY_MS) } } });
    await this.prisma.requestBody.deleteMany({ where: { keepUntil: { lt: new Date(nowMs) } } });
    await this.dropPartitions(firstKept.replaceAll('-', ''));
  }

  private async dropPartitions(firstKept: string): Promise<void> {
    const connection = await this.prisma.pool.connect();
    try {
      const { rows } = await connection.query<{ name: string }>(
        `SELECT relname AS name FROM pg_class JOIN pg_inherits ON inhrelid = oid
         WHERE inhparent = 'request_bodies'::regclass AND relname ~ '^request_bodies_\\d{8}$' AND relname < $1`,
        [`request_bodies_${firstKept}`],
      );
      await connection.query(`SET lock_timeout = ${LOCK_MS_MAX}`);
      for (const { name } of rows) await connection.query(`DROP TABLE "${name}"`);
    } finally {
      // With its time limit.
      connection.release(true);
    }
  }
}
