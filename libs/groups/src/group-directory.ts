import { Injectable } from '@nestjs/common';
import { ChangeFeed, type Prisma, PrismaService } from '@app/database';
import { Limiter, type StoredWindow, type SubjectLimits, subjectLimits } from '@app/limits';
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
    private readonly limiter: Limiter,
    feed: ChangeFeed,
  ) {
    feed.subscribe('config', () => this.load());
  }

  find(id: string): GroupPolicy | undefined {
    return this.groups.get(id);
  }

  private async load(): Promise<void> {
    const rows = await this.prisma.group.findMany({ include: { models: true } });
    this.groups = new Map(rows.map((row) => [row.id, policyOf(row)]));
    for (const row of rows) this.limiter.adopt('group', row.id, limitsOf(row));
  }
}

type GroupRow = Prisma.GroupGetPayload<{ include: { models: true } }>;

function limitsOf(row: GroupRow): SubjectLimits {
  return subjectLimits({ ...row, windows: row.windows as unknown as StoredWindow[] });
}

function policyOf(row: GroupRow): GroupPolicy {
  return {
    id: row.id,
    name: row.name,
    models: modelRule(row.models.map(({ pattern }) => pattern)),
    onClientLeft: row.onClientLeft as OnClientLeft,
    encryptedContentOnMove: row.encryptedContentOnMove as EncryptedContentOnMove,
    compactionOutput: row.compactionOutput as CompactionOutput,
    isCompactedAutomatically: row.automaticCompaction,
    limitMessage: row.limitMessage,
    queueWaitMs: row.queueWaitMs,
  };
}
