import { Injectable } from '@nestjs/common';
import { ChangeFeed, PrismaService, StoredSettings } from '@app/database';
import { SUMMARY_INSTRUCTION } from './summary-instruction.js';

/** What operators decide for all compactions of this gateway. */
export interface CompactionOptions {
  /** null: the gateway's own. */
  readonly instruction: string | null;
  /** How long a sealed compaction can be opened. */
  readonly maxAgeDays: number;
}

const SECONDS_PER_DAY = 86_400;

/** The options for compactions. */
@Injectable()
export class CompactionSettings extends StoredSettings<CompactionOptions> {
  constructor(prisma: PrismaService, feed: ChangeFeed) {
    super(prisma, feed, 'compaction', { instruction: null, maxAgeDays: 180 });
  }

  get instruction(): string {
    return this.instructionOf(this.current);
  }

  /** What is in force by these options. */
  instructionOf({ instruction }: CompactionOptions): string {
    return instruction ?? SUMMARY_INSTRUCTION;
  }

  get maxAgeSeconds(): number {
    return this.current.maxAgeDays * SECONDS_PER_DAY;
  }
}
