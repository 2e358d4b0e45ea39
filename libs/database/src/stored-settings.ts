import type { AuditLog } from './audit-log.js';
import type { ChangeFeed } from './change-feed.js';
import type { PrismaService, Transaction } from './prisma.service.js';
import { readSetting, writeSetting } from './settings-table.js';

/** Settings are one for the whole installation, and the audit log names objects by their id. */
const NO_ID = '00000000-0000-0000-0000-000000000000';

/** Options of one subject, in memory. InstallationSettings changes them. */
export abstract class StoredSettings<Options extends object> {
  private options: Options;

  constructor(
    private readonly prisma: PrismaService,
    private readonly audit: AuditLog,
    feed: ChangeFeed,
    readonly name: string,
    private readonly defaults: Options,
  ) {
    this.options = defaults;
    feed.subscribe('config', async () => {
      this.options = await this.read();
    });
  }

  /** As this process knows them: the defaults until the change feed has been read. */
  get current(): Options {
    return this.options;
  }

  /** As the database has them, for what cannot be undone. */
  async read(): Promise<Options> {
    return this.withDefaults(await readSetting(this.prisma, this.name));
  }

  /** Writes a change as part of a transaction, with its audit record. Nothing is written when there is none. */
  async write(tx: Transaction, actor: string, change: Partial<Options>): Promise<void> {
    if (Object.keys(change).length === 0) return;
    const before = this.withDefaults(await readSetting(tx, this.name));
    const after = { ...before, ...change };
    await writeSetting(tx, this.name, { ...after });
    await this.audit.record(tx, {
      actor,
      action: 'settings.update',
      objectType: 'settings',
      objectId: NO_ID,
      before,
      after,
    });
  }

  private withDefaults(stored: unknown): Options {
    return { ...this.defaults, ...(stored as Partial<Options> | undefined) };
  }
}
