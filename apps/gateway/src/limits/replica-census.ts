import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { PrismaService } from '@app/database';
import { Limiter } from '@app/limits';
import { RedisConnection } from '@app/runtime';

const EVERY_MS = 5_000;
/** A replica that has not been heard of for so long is gone. */
const GONE_MS = 15_000;

/**
 * Tells the limiter, from PostgreSQL, how many replicas share a limit while Redis does not say: one that starts during an outage
 * would take itself for the only one. Nothing is done without REDIS_URL.
 */
@Injectable()
export class ReplicaCensus implements OnApplicationShutdown {
  private readonly logger = new Logger(ReplicaCensus.name);
  private timer: NodeJS.Timeout | null = null;

  constructor(
    private readonly prisma: PrismaService,
    private readonly redis: RedisConnection,
    private readonly limiter: Limiter,
  ) {}

  /** Takes part from now on; resolves when the limiter knows the others. */
  async join(): Promise<void> {
    if (!this.redis.client || this.timer) return;
    this.timer = setInterval(() => void this.take(), EVERY_MS).unref();
    await this.take();
  }

  async onApplicationShutdown(): Promise<void> {
    if (!this.timer) return;
    clearInterval(this.timer);
    await this.prisma.replica.deleteMany({ where: { id: this.redis.replicaId } }).catch(() => undefined);
  }

  private async take(): Promise<void> {
    try {
      const { rows } = await this.prisma.pool.query<{ id: string }>({
        name: 'replica_census',
        // The time is the database's: clocks of replicas may differ.
        text: `WITH me AS (INSERT INTO replicas (id, seen_at) VALUES ($1, now()) ON CONFLICT (id) DO UPDATE SET seen_at = now()),
          gone AS (DELETE FROM replicas WHERE seen_at < now() - $2::int * interval '1 millisecond' AND id <> $1)
          SELECT id FROM replicas WHERE seen_at >= now() - $2::int * interval '1 millisecond' OR id = $1`,
        values: [this.redis.replicaId, GONE_MS],
      });
      const others = rows.map(({ id }) => id).filter((id) => id !== this.redis.replicaId);
      this.limiter.noteReplicas([this.redis.replicaId, ...others]);
    } catch (error) {
      this.logger.debug(`the replicas were not counted: ${String(error)}`);
    }
  }
}
