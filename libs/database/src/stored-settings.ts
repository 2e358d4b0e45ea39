import type { AuditLog } from './audit-log.js';
import type { ChangeFeed } from './change-feed.js';
import type { PrismaService, Transaction } from './prisma.service.js';
import { runWrite } from './run-write.js';
import { readSetting, writeSetting } from './settings-table.js';

/** Settings are one for the whole installation, and the audit log names objects by their id. */
const NO_ID = '00000000-0000-0000-0000-000000000000';

/** Options of one subject, in memory; a change is audited, and in force in this process when its promise resolves. */
export abstract class StoredSettings<Options extends object> {
  private options: Options;

  constructor(
    private readonly prisma: PrismaService,
    private readonly audit: AuditLog,
    private readonly feed: ChangeFeed,
    private readonly name: string,
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
  async read(db: PrismaService | Transaction = this.prisma): Promise<Options> {
    return this.withDefaults(await readSetting(db, this.name));
  }

  async update(actor: string, change: Partial<Options>, within: Transaction | null = null): Promise<void> {
    await runWrite(this.prisma, this.feed, within, async (tx) => {
      const before = await this.read(tx);
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
    });
  }

  private withDefaults(stored: unknown): Options {
    return { ...this.defaults, ...(stored as Partial<Options> | undefined) };
  }
}
