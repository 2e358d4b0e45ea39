import { Injectable } from '@nestjs/common';
import { ChangeFeed } from './change-feed.js';
import { PrismaService, type Transaction } from './prisma.service.js';
import { checkVersion, type SeenVersions } from './row-versions.js';

/** The settings of all subjects as one object, with one version: changed together, or not at all. */
@Injectable()
export class InstallationSettings {
  constructor(
    private readonly prisma: PrismaService,
    private readonly feed: ChangeFeed,
  ) {}

  /** To be asked before values are read: these may be newer than the version then, but never older. */
  version(): Promise<number> {
    return versionOf(this.prisma);
  }

  /**
   * One change after the other, in force in this process when the promise resolves.
   *
   * @throws StaleVersionError when the settings have none of the versions
   */
  async change(seen: SeenVersions, write: (tx: Transaction) => Promise<void>): Promise<void> {
    await this.prisma.$transaction(async (tx) => {
      // A lock of its own, as a subject may have no row yet.
      await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext('tollgate_settings'))`;
      checkVersion(await versionOf(tx), seen);
      await write(tx);
    });
    await this.feed.refresh();
  }
}

/** Rows are never deleted, so that the sum only grows. */
async function versionOf(db: PrismaService | Transaction): Promise<number> {
  const { _sum: sum } = await db.setting.aggregate({ _sum: { version: true } });
  return sum.version ?? 0;
}
