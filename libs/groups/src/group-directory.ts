import { Injectable } from '@nestjs/common';
import { ChangeFeed, type Prisma, PrismaService } from '@app/database';
import { type StoredWindow, subjectLimits } from '@app/limits';
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

  all(): Iterable<GroupPolicy> {
    return this.groups.values();
  }

  find(id: string): GroupPolicy | undefined {
    return this.groups.get(id);
  }

  private async load(): Promise<void> {
    const rows = await this.prisma.group.findMany({ include: { models: true } });
    this.groups = new Map(rows.map((row) => [row.id, policyOf(row)]));
  }
}

function policyOf(row: Prisma.GroupGetPayload<{ include: { models: true } }>): GroupPolicy {
  return {
    id: row.id,
    name: row.name,
    models: modelRule(row.models.map(({ pattern }) => pattern)),
    onClientLeft: row.onClientLeft as OnClientLeft,
    encryptedContentOnMove: row.encryptedContentOnMove as EncryptedContentOnMove,
    compactionOutput: row.compactionOutput as CompactionOutput,
    isCompactedAutomatically: row.automaticCompaction,
    limits: subjectLimits({ ...row, windows: row.windows as unknown as StoredWindow[] }),
    limitMessage: row.limitMessage,
    queueWaitMs: row.queueWaitMs,
  };
}
