import { Injectable } from '@nestjs/common';
import { ChangeFeed, PrismaService } from '@app/database';
import { Clock } from '@app/runtime';
import { CallPricing, type PricingTerms } from './call-pricing.js';
import type { ModelPrice } from './model-price.js';
import { type PriceRow, toModelPrice } from './stored-prices.js';

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
  /** Versions of its price that count now, will count or have lately counted; newest first. */
  readonly prices: readonly ModelPrice[];
}

/** Requests that began before a change may still have to be priced. */
const SUPERSEDED_MS_MAX = 86_400_000;

/** All models, in memory, by name and alias. */
@Injectable()
export class ModelCatalog {
  private byName: ReadonlyMap<string, CatalogModel> = new Map();
  private models: readonly CatalogModel[] = [];
  private claimed: ReadonlySet<string> = new Set();

  constructor(
    private readonly prisma: PrismaService,
    private readonly clock: Clock,
    feed: ChangeFeed,
  ) {
    feed.subscribe('config', () => this.load());
  }

  /** The model of this name or alias; undefined when it is not registered. */
  find(name: string): CatalogModel | undefined {
    return this.byName.get(name);
  }

  /** The version of a model's price that counts for a request that began at a time; null: none, the model is unpriced. */
  priceAt(name: string, atMs: number): ModelPrice | null {
    const prices = this.byName.get(name)?.prices ?? NO_PRICES;
    for (const price of prices) if (price.effectiveFromMs <= atMs) return price.isPriced ? price : null;
    return null;
  }

  /** What a call will cost that began at a time. @param askedTier the service tier that was asked for */
  pricingOf(name: string, atMs: number, terms: PricingTerms, askedTier: string | null): CallPricing {
    return new CallPricing(this.priceAt(name, atMs), askedTier, terms);
  }

  all(): readonly CatalogModel[] {
    return this.models;
  }

  /** Ids of upstreams that some model names: they serve the models that name them, and no other. */
  claimedUpstreams(): ReadonlySet<string> {
    return this.claimed;
  }

  private async load(): Promise<void> {
    const rows = await this.prisma.model.findMany({ orderBy: { name: 'asc' }, include: { upstreams: true } });
    const prices = await this.livePrices();
    this.models = rows.map(({ id, name, aliases, createdAt, upstreams, contextWindowTokens }) => ({
      name,
      aliases,
      createdAtSeconds: Math.floor(createdAt.getTime() / 1000),
      contextWindowTokens,
      routes: upstreams.map(({ upstreamId, upstreamModel }) => ({ upstreamId, upstreamModel })),
      prices: prices.get(id) ?? NO_PRICES,
    }));
    this.claimed = new Set(this.models.flatMap(({ routes }) => routes.map(({ upstreamId }) => upstreamId)));
    this.byName = new Map(this.models.flatMap((model) => [model.name, ...model.aliases].map((name) => [name, model])));
  }

  private async livePrices(): Promise<Map<string, ModelPrice[]>> {
    const supersededBefore = new Date(this.clock.now() - SUPERSEDED_MS_MAX);
    const rows = await this.prisma.$queryRaw<PriceRow[]>`
      SELECT price.id, price.model_id AS "modelId", price.effective_from AS "effectiveFrom", price.priced,
        price.input_per_million AS "inputPerMillion", price.cached_input_per_million AS "cachedInputPerMillion",
        price.cache_write_per_million AS "cacheWritePerMillion", price.output_per_million AS "outputPerMillion",
        price.reasoning_per_million AS "reasoningPerMillion", price.per_request AS "perRequest",
        price.service_tiers AS "serviceTiers", price.created_at AS "createdAt"
      FROM model_prices price
      WHERE price.effective_from >= coalesce((
        SELECT max(effective_from) FROM model_prices
        WHERE model_id = price.model_id AND effective_from <= ${supersededBefore}), '-infinity')
      ORDER BY price.effective_from DESC, price.id DESC`;
    const byModel = new Map<string, ModelPrice[]>();
    for (const row of rows) {
      const versions = byModel.get(row.modelId);
      if (versions) versions.push(toModelPrice(row));
      else byModel.set(row.modelId, [toModelPrice(row)]);
    }
    return byModel;
  }
}

const NO_PRICES: readonly ModelPrice[] = [];
