import { Injectable } from '@nestjs/common';
import { AuditLog } from './audit-log.js';
import { ChangeFeed } from './change-feed.js';
import { PrismaService, type Transaction } from './prisma.service.js';
import { checkVersion, type SeenVersions } from './row-versions.js';
import { runWrite } from './run-write.js';

/** Settings are one for the whole installation, and the audit log names objects by their id. */
const NO_ID = '00000000-0000-0000-0000-000000000000';

/** Writes the options of one subject, and tells what they were and are. */
export type SettingsChange = (tx: Transaction) => Promise<{ name: string; before: object; after: object }>;

/** The settings of all subjects as one object, with one version: changed together, or not at all. */
@Injectable()
export class InstallationSettings {
  constructor(
    private readonly prisma: PrismaService,
    private readonly audit: AuditLog,
    private readonly feed: ChangeFeed,
  ) {}

  /** To be asked before values are read: these may be newer than the version then, but never older. */
  version(): Promise<number> {
    return versionOf(this.prisma);
  }

  /**
   * One write after the other, audited as one, and in force in this process when the promise resolves. Nothing is written when there
   * is no change.
   *
   * @throws StaleVersionError when the settings have none of the versions
   */
  async change(
    actor: string,
    seen: SeenVersions,
    changes: readonly (SettingsChange | null)[],
    within: Transaction | null = null,
  ): Promise<void> {
    await runWrite(this.prisma, this.feed, within, async (tx) => {
      // A lock of its own, as a subject may have no row yet.
      await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext('tollgate_settings'))`;
      checkVersion(await versionOf(tx), seen);
      const before: Record<string, object> = {};
      const after: Record<string, object> = {};
      for (const change of changes) {
        if (!change) continue;
        const written = await change(tx);
        before[written.name] = written.before;
        after[written.name] = written.after;
      }
      if (Object.keys(after).length === 0) return;
      const write = { actor, action: 'settings.update', objectType: 'settings', objectId: NO_ID };
      await this.audit.record(tx, { ...write, before, after });
    });
  }
}

/** Rows are never deleted, so that the sum only grows. */
async function versionOf(db: PrismaService | Transaction): Promise<number> {
  const { _sum: sum } = await db.setting.aggregate({ _sum: { version: true } });
  return sum.version ?? 0;
}
