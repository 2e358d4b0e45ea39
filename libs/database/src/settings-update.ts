import { Injectable } from '@nestjs/common';
import { AuditLog } from './audit-log.js';
import { ChangeFeed } from './change-feed.js';
import { PrismaService, type Transaction } from './prisma.service.js';

/** Settings are one for the whole installation, and the audit log names objects by their id. */
const NO_ID = '00000000-0000-0000-0000-000000000000';

/** Writes the options of one subject, and tells what they were and are. */
export type SettingsChange = (tx: Transaction) => Promise<{ name: string; before: object; after: object }>;

/** Changes settings of one subject or of several: all of them, or none. */
@Injectable()
export class SettingsUpdate {
  constructor(
    private readonly prisma: PrismaService,
    private readonly audit: AuditLog,
    private readonly feed: ChangeFeed,
  ) {}

  /** Audited as one write, and in force in this process when its promise resolves. Nothing is written when there is no change. */
  async apply(actor: string, changes: readonly SettingsChange[]): Promise<void> {
    if (changes.length === 0) return;
    await this.prisma.$transaction(async (tx) => {
      // What was there before is what the one before has left, also when two come at once.
      await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext('tollgate_settings'))`;
      const before: Record<string, object> = {};
      const after: Record<string, object> = {};
      for (const change of changes) {
        const written = await change(tx);
        before[written.name] = written.before;
        after[written.name] = written.after;
      }
      const write = { actor, action: 'settings.update', objectType: 'settings', objectId: NO_ID };
      await this.audit.record(tx, { ...write, before, after });
    });
    await this.feed.refresh();
  }
}
