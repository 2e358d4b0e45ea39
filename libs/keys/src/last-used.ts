import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Prisma, PrismaService } from '@app/database';

const WRITE_EVERY_MS = 10_000;

/** Remembers when keys were last used and writes it down now and then: one statement for all, never per request. */
@Injectable()
export class LastUsed implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(LastUsed.name);
  private used = new Map<string, number>();
  private timer: NodeJS.Timeout | null = null;

  constructor(private readonly prisma: PrismaService) {}

  note(keyId: string, atMs: number): void {
    this.used.set(keyId, atMs);
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.write(), WRITE_EVERY_MS);
    this.timer.unref();
  }

  async onApplicationShutdown(): Promise<void> {
    if (this.timer) clearInterval(this.timer);
    await this.write();
  }

  private async write(): Promise<void> {
    const batch = this.used;
    if (batch.size === 0) return;
    this.used = new Map();
    const rows = JSON.stringify([...batch].map(([id, atMs]) => ({ id, at: new Date(atMs) })));
    try {
      await this.prisma.$executeRaw(Prisma.sql`
        UPDATE api_keys SET last_used_at = used.at
        FROM jsonb_to_recordset(${rows}::jsonb) AS used(id uuid, at timestamptz)
        WHERE api_keys.id = used.id AND (api_keys.last_used_at IS NULL OR api_keys.last_used_at < used.at)`);
    } catch (error) {
      // Only a convenience is lost: the next use of the key writes it again.
      this.logger.warn(`last-used times of ${batch.size} keys were not written: ${String(error)}`);
    }
  }
}
