import type { ModelPrice, TokenPrices } from './model-price.js';

/** Prices as they stand in a JSON column: integers of nano-USD as text, which no parser rounds. */
export interface StoredPrices {
  readonly input_per_million: string;
  readonly cached_input_per_million: string;
  readonly cache_write_per_million: string;
  readonly output_per_million: string;
  readonly reasoning_per_million: string;
  readonly per_request: string;
}

/** For a JSON column. */
export function toStoredPrices(prices: TokenPrices): StoredPrices {
  return {
    input_per_million: String(prices.inputPerMillion),
    cached_input_per_million: String(prices.cachedInputPerMillion),
    cache_write_per_million: String(prices.cacheWritePerMillion),
    output_per_million: String(prices.outputPerMillion),
    reasoning_per_million: String(prices.reasoningPerMillion),
    per_request: String(prices.perRequest),
  };
}

/** From a JSON column. */
export function fromStoredPrices(stored: StoredPrices): TokenPrices {
  return {
    inputPerMillion: BigInt(stored.input_per_million),
    cachedInputPerMillion: BigInt(stored.cached_input_per_million),
    cacheWritePerMillion: BigInt(stored.cache_write_per_million),
    outputPerMillion: BigInt(stored.output_per_million),
    reasoningPerMillion: BigInt(stored.reasoning_per_million),
    perRequest: BigInt(stored.per_request),
  };
}

/** A row of `model_prices`. */
export interface PriceRow extends TokenPrices {
  readonly id: string;
  readonly modelId: string;
  readonly effectiveFrom: Date;
  readonly priced: boolean;
  readonly serviceTiers: unknown;
  readonly createdAt: Date;
}

/** A row of `model_prices` as the hot path needs it. */
export function toModelPrice(row: PriceRow): ModelPrice {
  return {
    id: row.id,
    effectiveFromMs: row.effectiveFrom.getTime(),
    isPriced: row.priced,
    inputPerMillion: row.inputPerMillion,
    cachedInputPerMillion: row.cachedInputPerMillion,
    cacheWritePerMillion: row.cacheWritePerMillion,
    outputPerMillion: row.outputPerMillion,
    reasoningPerMillion: row.reasoningPerMillion,
    perRequest: row.perRequest,
    serviceTiers: tiersOf(row),
  };
}

/** The prices of each service tier that has its own. */
export function tiersOf({ serviceTiers }: Pick<PriceRow, 'serviceTiers'>): ReadonlyMap<string, TokenPrices> {
  const stored = Object.entries(serviceTiers as Record<string, StoredPrices>);
  return new Map(stored.map(([tier, prices]) => [tier, fromStoredPrices(prices)]));
}
