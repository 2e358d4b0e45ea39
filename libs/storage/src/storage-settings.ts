import { Injectable } from '@nestjs/common';
import { ChangeFeed, PrismaService, StoredSettings } from '@app/database';

/** How long what is stored is kept, and what all of it may take. */
export interface StorageOptions {
  readonly requestRowsDays: number;
  readonly requestBodiesDays: number;
  readonly usageHoursDays: number;
  readonly auditDays: number;
  readonly alertsDays: number;
  /** null: nobody has said. */
  readonly diskBudgetBytes: number | null;
}

/** Thirteen months, and two years: what a yearly comparison and an audit ask for. Bodies are for who looks at a fault of this week. */
const DEFAULTS: StorageOptions = {
  requestRowsDays: 396,
  requestBodiesDays: 7,
  usageHoursDays: 396,
  auditDays: 731,
  alertsDays: 90,
  diskBudgetBytes: null,
};

/** The options for what is stored. */
@Injectable()
export class StorageSettings extends StoredSettings<StorageOptions> {
  constructor(prisma: PrismaService, feed: ChangeFeed) {
    super(prisma, feed, 'storage', DEFAULTS);
  }
}
