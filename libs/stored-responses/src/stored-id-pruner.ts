import { Injectable } from '@nestjs/common';
import { PrismaService } from '@app/database';
import { Clock, HourlyPruner } from '@app/runtime';

const DAY_MS = 86_400_000;
/** Upstreams keep responses for thirty days or longer (protocol.md §1.1). */
const STORED_IDS_MS = 90 * DAY_MS;
const ORIGINS_MS = 30 * DAY_MS;
const ROWS_PER_BATCH_MAX = 1_000;

/** Removes what of stored responses is too old to be asked for. */
@Injectable()
export class StoredIdPruner extends HourlyPruner {
  constructor(
    private readonly prisma: PrismaService,
    private readonly clock: Clock,
  ) {
    super('old response ids');
  }

  protected override async removeOld(): Promise<void> {
    await this.deleteOlder('stored_ids', STORED_IDS_MS);
    await this.deleteOlder('encrypted_content_origins', ORIGINS_MS);
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
