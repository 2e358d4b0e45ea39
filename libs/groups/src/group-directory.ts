import { Injectable } from '@nestjs/common';
import { ChangeFeed, type Prisma, PrismaService } from '@app/database';
import { findBalances } from '@app/ledger';
import {
  Limiter,
  modelSubjectId,
  type StoredBalance,
  type StoredLimits,
  type StoredWindow,
  type SubjectLimits,
  subjectLimits,
} from '@app/limits';
import { fromStoredPrices, type StoredPrices, type UnpricedModelPolicy } from '@app/models';
import { bodyPolicyOf, type StoredBodyPolicy, type StoredRedaction } from './body-policy.js';
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
  /** Of which the limiter has been told. */
  private limitedModels: ReadonlySet<string> = new Set();

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
    const balances = await findBalances(this.prisma, 'group', null);
    this.groups = new Map(rows.map((row) => [row.id, policyOf(row)]));
    const limitedModels = new Set<string>();
    for (const row of rows) {
      this.limiter.adopt('group', row.id, limitsOf(row, balances.get(row.id) ?? null));
      for (const { model, ...limits } of row.modelLimits as unknown as StoredModelLimits[]) {
        const id = modelSubjectId(row.id, model);
        limitedModels.add(id);
        this.limiter.adopt('model', id, subjectLimits({ ...limits, budgetNanoUsd: null }));
      }
    }
    for (const id of this.limitedModels) if (!limitedModels.has(id)) this.limiter.adopt('model', id, NO_LIMITS);
    this.limitedModels = limitedModels;
  }
}

type StoredModelLimits = Omit<StoredLimits, 'budgetNanoUsd'> & { readonly model: string };

const NO_LIMITS: SubjectLimits = { rules: [], concurrencyMax: null };

type GroupRow = Prisma.GroupGetPayload<{ include: { models: true } }>;

function limitsOf(row: GroupRow, balance: StoredBalance | null): SubjectLimits {
  return subjectLimits({ ...row, windows: row.windows as unknown as StoredWindow[], balance });
}

function policyOf(row: GroupRow): GroupPolicy {
  const { patterns, json_paths: jsonPaths } = row.redact as unknown as StoredRedaction;
  return {
    id: row.id,
    name: row.name,
    models: modelRule(row.models.map(({ pattern }) => pattern)),
    onClientLeft: row.onClientLeft as OnClientLeft,
    encryptedContentOnMove: row.encryptedContentOnMove as EncryptedContentOnMove,
    compactionOutput: row.compactionOutput as CompactionOutput,
    isCompactedAutomatically: row.automaticCompaction,
    bodyPolicy: bodyPolicyOf(row.bodyPolicy as unknown as StoredBodyPolicy),
    redaction: { patterns, jsonPaths },
    limitMessage: row.limitMessage,
    queueWaitMs: row.queueWaitMs,
    priceMultiplier: BigInt(row.priceMultiplier.times(10_000).toFixed(0)),
    unpricedModels: row.unpricedModels as UnpricedModelPolicy,
    ceilingPrices: row.ceilingPrices === null ? null : fromStoredPrices(row.ceilingPrices as unknown as StoredPrices),
  };
}
