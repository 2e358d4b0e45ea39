import { Injectable } from '@nestjs/common';
import {
  AuditLog,
  ChangeFeed,
  lockRow,
  PrismaService,
  type Prisma,
  runWrite,
  type SeenVersions,
  type Transaction,
} from '@app/database';
import { Clock, newId } from '@app/runtime';
import type { ModelRoute } from './model-catalog.js';
import { lockModels } from './lock-models.js';
import { NEWEST_FIRST, type PriceInput, PriceVersions } from './price-versions.js';

/** A model as stored, with its upstreams and the version of its price that counts now. */
export type ModelRow = Prisma.ModelGetPayload<{ include: { upstreams: true; prices: true } }>;

export interface ModelInput {
  name: string;
  aliases: readonly string[];
  upstreams: readonly ModelRoute[];
  /** null: the model has no price. A change adds a version; what was charged stays as it was. */
  prices: PriceInput | null;
  /** null: not known. */
  contextWindowTokens?: number | null;
  managedBy?: 'config';
}

export type ModelRefusal =
  { refused: 'name_taken'; name: string } | { refused: 'unknown_upstream'; upstreamId: string };

/**
 * Makes and changes models. Every write is audited, and in force in this process when its promise resolves. One that is based on another
 * version than the model has throws StaleVersionError.
 */
@Injectable()
export class ModelsService {
  constructor(
    private readonly prisma: PrismaService,
    private readonly audit: AuditLog,
    private readonly feed: ChangeFeed,
    private readonly versions: PriceVersions,
    private readonly clock: Clock,
  ) {}

  /** Newest first; `beforeId` is the last id of the page before. */
  list(page: { limit: number; beforeId: string | null }): Promise<ModelRow[]> {
    return this.prisma.model.findMany({
      where: page.beforeId ? { id: { lt: page.beforeId } } : {},
      orderBy: { id: 'desc' },
      take: page.limit,
      include: this.withAll(),
    });
  }

  find(id: string): Promise<ModelRow | null> {
    return this.prisma.model.findUnique({ where: { id }, include: this.withAll() });
  }

  async create(actor: string, input: ModelInput, within: Transaction | null = null): Promise<ModelRow | ModelRefusal> {
    const id = newId();
    return runWrite(this.prisma, this.feed, within, async (tx) => {
      await lockModels(tx);
      const refusal = await this.refusal(tx, id, input);
      if (refusal) return refusal;
      const { name, contextWindowTokens = null, managedBy = null } = input;
      const aliases = [...new Set(input.aliases)];
      await tx.model.create({ data: { id, name, contextWindowTokens, aliases, managedBy } });
      await this.putRoutes(tx, id, input.upstreams);
      if (input.prices) await this.versions.put(tx, id, input.prices);
      const after = await tx.model.findUniqueOrThrow({ where: { id }, include: this.withAll() });
      await this.record(tx, actor, 'model.create', null, after);
      return after;
    });
  }

  /** null when there is no such model. */
  async update(
    actor: string,
    id: string,
    input: Partial<ModelInput>,
    seen: SeenVersions = null,
    within: Transaction | null = null,
  ): Promise<ModelRow | ModelRefusal | null> {
    return runWrite(this.prisma, this.feed, within, async (tx) => {
      await lockModels(tx);
      await lockRow(tx, 'models', id, seen);
      const before = await tx.model.findUnique({ where: { id }, include: this.withAll() });
      if (!before) return null;
      const refusal = await this.refusal(tx, id, input);
      if (refusal) return refusal;
      const { name, aliases, upstreams, prices, contextWindowTokens, managedBy } = input;
      await tx.model.update({
        where: { id },
        data: {
          ...(name ? { name } : {}),
          ...(aliases ? { aliases: [...new Set(aliases)] } : {}),
          ...(contextWindowTokens === undefined ? {} : { contextWindowTokens }),
          ...(managedBy ? { managedBy } : {}),
        },
      });
      if (upstreams) await this.putRoutes(tx, id, upstreams);
      // What was in effect before stays, so that rows of the past can be priced again.
      if (prices || (prices === null && (await tx.modelPrice.count({ where: { modelId: id } })) > 0)) {
        await this.versions.put(tx, id, prices);
      }
      const after = await tx.model.findUniqueOrThrow({ where: { id }, include: this.withAll() });
      await this.record(tx, actor, 'model.update', before, after);
      return after;
    });
  }

  /** False when there is no such model. */
  async remove(
    actor: string,
    id: string,
    seen: SeenVersions = null,
    within: Transaction | null = null,
  ): Promise<boolean> {
    return runWrite(this.prisma, this.feed, within, async (tx) => {
      await lockModels(tx);
      await lockRow(tx, 'models', id, seen, 'DELETE');
      const before = await tx.model.findUnique({ where: { id }, include: this.withAll() });
      if (!before) return false;
      await tx.model.delete({ where: { id } });
      await this.record(tx, actor, 'model.delete', before, null);
      return true;
    });
  }

  /** A name or alias may lead to one model only, and a route only to an upstream that exists. */
  private async refusal(tx: Transaction, id: string, input: Partial<ModelInput>): Promise<ModelRefusal | null> {
    const names = [...(input.name ? [input.name] : []), ...(input.aliases ?? [])];
    const taken = await tx.model.findFirst({
      where: { id: { not: id }, OR: [{ name: { in: names } }, { aliases: { hasSome: names } }] },
    });
    if (taken) {
      const name = names.find((wanted) => wanted === taken.name || taken.aliases.includes(wanted)) ?? taken.name;
      return { refused: 'name_taken', name };
    }
    for (const { upstreamId } of input.upstreams ?? []) {
      // Held before anything is written: whoever deletes it waits for nothing that is held here.
      const found = await tx.$queryRaw<unknown[]>`SELECT 1 FROM upstreams WHERE id = ${upstreamId}::uuid FOR KEY SHARE`;
      if (found.length === 0) return { refused: 'unknown_upstream', upstreamId };
    }
    return null;
  }

  private async putRoutes(tx: Transaction, modelId: string, routes: readonly ModelRoute[]): Promise<void> {
    await tx.modelUpstream.deleteMany({ where: { modelId } });
    const byUpstream = new Map(routes.map((route) => [route.upstreamId, route]));
    await tx.modelUpstream.createMany({ data: [...byUpstream.values()].map((route) => ({ modelId, ...route })) });
  }

  private withAll() {
    const inEffect = { effectiveFrom: { lte: new Date(this.clock.now()) } };
    return { upstreams: true, prices: { where: inEffect, orderBy: [...NEWEST_FIRST], take: 1 } };
  }

  private record(tx: Transaction, actor: string, action: string, before: ModelRow | null, after: ModelRow | null) {
    const objectId = (before ?? after)?.id ?? '';
    return this.audit.record(tx, { actor, action, objectType: 'model', objectId, before, after });
  }
}
