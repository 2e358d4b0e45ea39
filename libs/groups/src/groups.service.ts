import { Injectable } from '@nestjs/common';
import {
  AuditLog,
  ChangeFeed,
  lockRow,
  PrismaService,
  Prisma,
  runWrite,
  type SeenVersions,
  type Transaction,
} from '@app/database';
import type { UnpricedModelPolicy } from '@app/models';
import { newId } from '@app/runtime';
import type { CompactionOutput, EncryptedContentOnMove, OnClientLeft } from './group-policy.js';

/** A group as stored, with its patterns. */
export type GroupRow = Prisma.GroupGetPayload<{ include: { models: true; _count: { select: { keys: true } } } }>;

export interface GroupInput {
  name: string;
  description: string;
  models: readonly string[];
  onClientLeft?: OnClientLeft;
  encryptedContentOnMove?: EncryptedContentOnMove;
  compactionOutput?: CompactionOutput;
  automaticCompaction?: boolean;
  requestsPerMinute?: number | null;
  inputTokensPerMinute?: number | null;
  tokensPerMinute?: number | null;
  maxConcurrency?: number | null;
  budgetNanoUsd?: bigint | null;
  softThresholdPercent?: number | null;
  modelLimits?: Prisma.InputJsonArray;
  windows?: Prisma.InputJsonArray;
  timeZone?: string;
  limitMessage?: string;
  queueWaitMs?: number;
  /** A decimal of up to 4 places. */
  priceMultiplier?: string;
  unpricedModels?: UnpricedModelPolicy;
  /** Integers of nano-USD as text. */
  ceilingPrices?: Prisma.InputJsonObject | typeof Prisma.DbNull;
  bodyPolicy?: Prisma.InputJsonObject;
  redact?: Prisma.InputJsonObject;
  managedBy?: 'config';
}

const WITH_MODELS = { models: { orderBy: { pattern: 'asc' } }, _count: { select: { keys: true } } } as const;

/**
 * Makes and changes groups. Every write is audited, and in force in this process when its promise resolves. One that is based on another
 * version than the group has throws StaleVersionError.
 */
@Injectable()
export class GroupsService {
  constructor(
    private readonly prisma: PrismaService,
    private readonly audit: AuditLog,
    private readonly feed: ChangeFeed,
  ) {}

  /** Newest first; `beforeId` is the last id of the page before. */
  list(page: { limit: number; beforeId: string | null }): Promise<GroupRow[]> {
    return this.prisma.group.findMany({
      where: page.beforeId ? { id: { lt: page.beforeId } } : {},
      orderBy: { id: 'desc' },
      take: page.limit,
      include: WITH_MODELS,
    });
  }

  find(id: string): Promise<GroupRow | null> {
    return this.prisma.group.findUnique({ where: { id }, include: WITH_MODELS });
  }

  async create(actor: string, { models, ...data }: GroupInput, within: Transaction | null = null): Promise<GroupRow> {
    const id = newId();
    return runWrite(this.prisma, this.feed, within, async (tx) => {
      const created = await tx.group.create({
        data: { id, ...data, models: { create: unique(models).map((pattern) => ({ pattern })) } },
        include: WITH_MODELS,
      });
      await this.audit.record(tx, {
        actor,
        action: 'group.create',
        objectType: 'group',
        objectId: id,
        before: null,
        after: created,
      });
      return created;
    });
  }

  /** null when there is no such group; 'no_ceiling' when models without a price would cost a ceiling that is not there. */
  async update(
    actor: string,
    id: string,
    { models, ...data }: Partial<GroupInput>,
    seen: SeenVersions = null,
    within: Transaction | null = null,
  ): Promise<GroupRow | 'no_ceiling' | null> {
    return runWrite(this.prisma, this.feed, within, async (tx) => {
      await lockRow(tx, 'groups', id, seen);
      const before = await tx.group.findUnique({ where: { id }, include: WITH_MODELS });
      if (!before) return null;
      if (lacksCeiling(before, data)) return 'no_ceiling';
      const patterns = models && {
        deleteMany: {},
        create: unique(models).map((pattern) => ({ pattern })),
      };
      const after = await tx.group.update({
        where: { id },
        data: { ...data, ...(patterns ? { models: patterns } : {}) },
        include: WITH_MODELS,
      });
      await this.audit.record(tx, { actor, action: 'group.update', objectType: 'group', objectId: id, before, after });
      return after;
    });
  }

  /** 'in_use' when keys belong to it, which would be left without permissions. */
  async remove(
    actor: string,
    id: string,
    seen: SeenVersions = null,
    within: Transaction | null = null,
  ): Promise<'removed' | 'not_found' | 'in_use'> {
    return runWrite(this.prisma, this.feed, within, async (tx) => {
      await lockRow(tx, 'groups', id, seen, 'DELETE');
      const before = await tx.group.findUnique({ where: { id }, include: WITH_MODELS });
      if (!before) return 'not_found';
      if (before._count.keys > 0) return 'in_use';
      await tx.group.delete({ where: { id } });
      await this.audit.record(tx, {
        actor,
        action: 'group.delete',
        objectType: 'group',
        objectId: id,
        before,
        after: null,
      });
      return 'removed';
    });
  }
}

function lacksCeiling(before: GroupRow, { unpricedModels, ceilingPrices }: Partial<GroupInput>): boolean {
  if ((unpricedModels ?? before.unpricedModels) !== 'ceiling') return false;
  return ceilingPrices === undefined ? before.ceilingPrices === null : ceilingPrices === Prisma.DbNull;
}

function unique(patterns: readonly string[]): string[] {
  return [...new Set(patterns)];
}
