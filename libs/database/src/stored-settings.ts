import type { ChangeFeed } from './change-feed.js';
import type { PrismaService, Transaction } from './prisma.service.js';
import { readSetting, writeSetting } from './settings-table.js';
import type { SettingsChange } from './installation-settings.js';

/** Options of one subject, in memory as the change feed has them. */
export abstract class StoredSettings<Options extends object> {
  private options: Options;

  constructor(
    private readonly prisma: PrismaService,
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
  async read(db: PrismaService | Transaction = this.prisma): Promise<Options> {
    return this.withDefaults(await readSetting(db, this.name));
  }

  /** Part of one write, with whatever else it changes: see `InstallationSettings`. null: there is no change. */
  changed(change: Partial<Options>): SettingsChange | null {
    if (Object.keys(change).length === 0) return null;
    return async (tx) => {
      const before = this.withDefaults(await readSetting(tx, this.name));
      const after = { ...before, ...change };
      await writeSetting(tx, this.name, { ...after });
      return { name: this.name, before, after };
    };
  }

  private withDefaults(stored: unknown): Options {
    return { ...this.defaults, ...(stored as Partial<Options> | undefined) };
  }
}
