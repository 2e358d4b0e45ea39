import { Injectable } from '@nestjs/common';
import { ChangeFeed, PrismaService } from '@app/database';
import {
  type CompactionOutput,
  type EncryptedContentOnMove,
  type GroupPolicy,
  modelRule,
  type OnClientLeft,
} from './group-policy.js';

/** All groups, in memory. */
@Injectable()
export class GroupDirectory {
  private groups: ReadonlyMap<string, GroupPolicy> = new Map();

  constructor(
    private readonly prisma: PrismaService,
    feed: ChangeFeed,
  ) {
    feed.subscribe('config', () => this.load());
  }

  find(id: string): GroupPolicy | undefined {
    return this.groups.get(id);
  }

  private async load(): Promise<void> {
    const rows = await this.prisma.group.findMany({ include: { models: true } });
    this.groups = new Map(
      rows.map(({ id, name, models, onClientLeft, encryptedContentOnMove, compactionOutput, automaticCompaction }) => [
        id,
        {
          id,
          name,
          models: modelRule(models.map(({ pattern }) => pattern)),
          onClientLeft: onClientLeft as OnClientLeft,
          encryptedContentOnMove: encryptedContentOnMove as EncryptedContentOnMove,
          compactionOutput: compactionOutput as CompactionOutput,
          isCompactedAutomatically: automaticCompaction,
        },
      ]),
    );
  }
}
