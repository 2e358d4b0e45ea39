import { Injectable } from '@nestjs/common';
import { ChangeFeed, PrismaService } from '@app/database';
import type { ModelPrice } from './model-price.js';

/** An upstream that serves a model, and what the model is called there when it differs. */
export interface ModelRoute {
  readonly upstreamId: string;
  readonly upstreamModel: string | null;
}

/** A model as the hot path needs it. */
export interface CatalogModel {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly createdAtSeconds: number;
  /** What it can read at once; null: not known. */
  readonly contextWindowTokens: number | null;
  /** Empty: every upstream that is not limited to other models. */
  readonly routes: readonly ModelRoute[];
  /** null: the model has no price. */
  readonly price: ModelPrice | null;
}

/** All models, in memory, by name and alias. */
@Injectable()
export class ModelCatalog {
  private byName: ReadonlyMap<string, CatalogModel> = new Map();
  private models: readonly CatalogModel[] = [];
  private claimed: ReadonlySet<string> = new Set();

  constructor(
    private readonly prisma: PrismaService,
    feed: ChangeFeed,
  ) {
    feed.subscribe('config', () => this.load());
  }

  /** The model of this name or alias; undefined when it is not registered. */
  find(name: string): CatalogModel | undefined {
    return this.byName.get(name);
  }

  all(): readonly CatalogModel[] {
    return this.models;
  }

  /** Ids of upstreams that some model names: they serve the models that name them, and no other. */
  claimedUpstreams(): ReadonlySet<string> {
    return this.claimed;
  }

  private async load(): Promise<void> {
    const rows = await this.prisma.model.findMany({
      orderBy: { name: 'asc' },
      include: {
        upstreams: true,
        prices: { where: { effectiveFrom: { lte: new Date() } }, orderBy: { effectiveFrom: 'desc' }, take: 1 },
      },
    });
    this.models = rows.map(({ name, aliases, createdAt, upstreams, prices, contextWindowTokens }) => ({
      name,
      aliases,
      createdAtSeconds: Math.floor(createdAt.getTime() / 1000),
      contextWindowTokens,
      routes: upstreams.map(({ upstreamId, upstreamModel }) => ({ upstreamId, upstreamModel })),
      price: prices[0] ?? null,
    }));
    this.claimed = new Set(this.models.flatMap(({ routes }) => routes.map(({ upstreamId }) => upstreamId)));
    this.byName = new Map(this.models.flatMap((model) => [model.name, ...model.aliases].map((name) => [name, model])));
  }
}
