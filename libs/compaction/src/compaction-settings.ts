import { Injectable } from '@nestjs/common';
import { AuditLog, ChangeFeed, PrismaService, readSetting, writeSetting } from '@app/database';
import { SUMMARY_INSTRUCTION } from './summary-instruction.js';

/** What operators decide for all compactions of this gateway. */
export interface CompactionOptions {
  /** null: the gateway's own. */
  readonly instruction: string | null;
  /** How long a sealed compaction can be opened. */
  readonly maxAgeDays: number;
}

const SETTING = 'compaction';
const DEFAULTS: CompactionOptions = { instruction: null, maxAgeDays: 180 };
const SECONDS_PER_DAY = 86_400;
/** Settings are one for the whole installation, and the audit log names objects by their id. */
const NO_ID = '00000000-0000-0000-0000-000000000000';

/** The options for compactions, in memory; a change is audited, and in force in this process when its promise resolves. */
@Injectable()
export class CompactionSettings {
  private options = DEFAULTS;

  constructor(
    private readonly prisma: PrismaService,
    private readonly audit: AuditLog,
    private readonly feed: ChangeFeed,
  ) {
    feed.subscribe('config', () => this.load());
  }

  get current(): CompactionOptions {
    return this.options;
  }

  get instruction(): string {
    return this.options.instruction ?? SUMMARY_INSTRUCTION;
  }

  get maxAgeSeconds(): number {
    return this.options.maxAgeDays * SECONDS_PER_DAY;
  }

  async update(actor: string, change: Partial<CompactionOptions>): Promise<void> {
    await this.prisma.$transaction(async (tx) => {
      const before = optionsOf(await readSetting(tx, SETTING));
      const after = { ...before, ...change };
      await writeSetting(tx, SETTING, { ...after });
      await this.audit.record(tx, {
        actor,
        action: 'settings.update',
        objectType: 'settings',
        objectId: NO_ID,
        before,
        after,
      });
    });
    await this.feed.refresh();
  }

  private async load(): Promise<void> {
    this.options = optionsOf(await readSetting(this.prisma, SETTING));
  }
}

function optionsOf(stored: unknown): CompactionOptions {
  return { ...DEFAULTS, ...(stored as Partial<CompactionOptions> | undefined) };
}
