import { AuditLog, ChangeFeed, PrismaService, type Prisma, runWrite, type Transaction } from '@app/database';
import { Injectable } from '@nestjs/common';
import { Clock, newId } from '@app/runtime';
import { lockModels } from './lock-models.js';
import type { TokenPrices } from './model-price.js';
import { type PriceRow, toStoredPrices } from './stored-prices.js';

/** A version that is to be added. */
export interface PriceInput extends TokenPrices {
  readonly serviceTiers: ReadonlyMap<string, TokenPrices>;
  /** null: now */
  readonly effectiveFrom: Date | null;
}

/** How the versions of one model follow each other, newest first. */
export const NEWEST_FIRST = [{ effectiveFrom: 'desc' }, { id: 'desc' }] as const;

const NOTHING: TokenPrices = {
  inputPerMillion: 0n,
  cachedInputPerMillion: 0n,
  cacheWritePerMillion: 0n,
  outputPerMillion: 0n,
  reasoningPerMillion: 0n,
  perRequest: 0n,
};

/** The versions of models' prices: added, and taken back before they count; never edited. Every write is audited. */
@Injectable()
export class PriceVersions {
  constructor(
    private readonly prisma: PrismaService,
    private readonly audit: AuditLog,
    private readonly feed: ChangeFeed,
    private readonly clock: Clock,
  ) {}

  /** All of a model's, newest first; null when there is no such model. */
  async list(modelId: string): Promise<readonly PriceRow[] | null> {
    const model = await this.prisma.model.findUnique({
      where: { id: modelId },
      include: { prices: { orderBy: [...NEWEST_FIRST] } },
    });
    return model?.prices ?? null;
  }

  /** null when there is no such model. */
  async add(
    actor: string,
    modelId: string,
    input: PriceInput,
    within: Transaction | null = null,
  ): Promise<PriceRow | null> {
    return runWrite(this.prisma, this.feed, within, async (tx) => {
      await lockModels(tx);
      if (!(await tx.model.findUnique({ where: { id: modelId } }))) return null;
      const after = await this.put(tx, modelId, input);
      const write = { actor, action: 'price.create', objectType: 'model', objectId: modelId };
      await this.audit.record(tx, { ...write, before: null, after });
      return after;
    });
  }

  /** 'in_effect' when it counts, or has counted: rows were priced by it. */
  async remove(
    actor: string,
    modelId: string,
    id: string,
    within: Transaction | null = null,
  ): Promise<'removed' | 'not_found' | 'in_effect'> {
    return runWrite(this.prisma, this.feed, within, async (tx) => {
      await lockModels(tx);
      const before = await tx.modelPrice.findFirst({ where: { id, modelId } });
      if (!before) return 'not_found';
      if (before.effectiveFrom.getTime() <= this.clock.now()) return 'in_effect';
      await tx.modelPrice.delete({ where: { id } });
      const write = { actor, action: 'price.delete', objectType: 'model', objectId: modelId };
      await this.audit.record(tx, { ...write, before, after: null });
      return 'removed';
    });
  }

  /** Adds a version as part of another write. @param input null: from now on the model has no price */
  put(tx: Transaction, modelId: string, input: PriceInput | null): Promise<PriceRow> {
    const { serviceTiers, effectiveFrom, ...prices } = input ?? NO_PRICE;
    const tiers = Object.fromEntries([...serviceTiers].map(([tier, own]) => [tier, toStoredPrices(own)]));
    return tx.modelPrice.create({
      data: {
        id: newId(),
        modelId,
        // By the clock that requests start by: the next one is priced by this version.
        effectiveFrom: effectiveFrom ?? new Date(this.clock.now()),
        priced: input !== null,
        ...prices,
        serviceTiers: tiers as unknown as Prisma.InputJsonObject,
      },
    });
  }
}

const NO_PRICE: PriceInput = { ...NOTHING, serviceTiers: new Map(), effectiveFrom: null };
