import { type Price, type Prices, type PricesInput, toPublicId, type TokenPricesInput } from '@app/contract';
import { formatUsd, parseUsd, type PriceInput, type PriceRow, tiersOf, type TokenPrices } from '@app/models';

type Shown = Omit<Prices, 'service_tiers'>;

/** The service's names for prices that were given. */
export function toTokenPrices(given: TokenPricesInput): TokenPrices {
  const { input_per_million_usd: input, output_per_million_usd: output } = given;
  return {
    inputPerMillion: nano(input),
    cachedInputPerMillion: nano(given.cached_input_per_million_usd ?? input),
    cacheWritePerMillion: nano(given.cache_write_per_million_usd ?? input),
    outputPerMillion: nano(output),
    reasoningPerMillion: nano(given.reasoning_per_million_usd ?? output),
    perRequest: nano(given.per_request_usd),
  };
}

/** The same for a version, with its service tiers: what a tier leaves out costs what was given without it, else its own input or output. */
export function toPriceInput(given: PricesInput): PriceInput {
  const standard = toTokenPrices(given);
  const tiers = Object.entries(given.service_tiers).map(([tier, own]) => [tier, toTierPrices(own, given)] as const);
  const { effective_from: from } = given;
  return { ...standard, serviceTiers: new Map(tiers), effectiveFrom: from === undefined ? null : new Date(from) };
}

function toTierPrices(own: PricesInput['service_tiers'][string], given: PricesInput): TokenPrices {
  const input = own.input_per_million_usd ?? given.input_per_million_usd;
  const output = own.output_per_million_usd ?? given.output_per_million_usd;
  return {
    inputPerMillion: nano(input),
    cachedInputPerMillion: nano(own.cached_input_per_million_usd ?? given.cached_input_per_million_usd ?? input),
    cacheWritePerMillion: nano(own.cache_write_per_million_usd ?? given.cache_write_per_million_usd ?? input),
    outputPerMillion: nano(output),
    reasoningPerMillion: nano(own.reasoning_per_million_usd ?? given.reasoning_per_million_usd ?? output),
    perRequest: nano(own.per_request_usd ?? given.per_request_usd),
  };
}

function nano(text: string): bigint {
  return parseUsd(text) ?? 0n;
}

/** Prices as the API shows them. */
export function shownTokenPrices(prices: TokenPrices): Shown {
  return {
    input_per_million_usd: formatUsd(prices.inputPerMillion),
    cached_input_per_million_usd: formatUsd(prices.cachedInputPerMillion),
    cache_write_per_million_usd: formatUsd(prices.cacheWritePerMillion),
    output_per_million_usd: formatUsd(prices.outputPerMillion),
    reasoning_per_million_usd: formatUsd(prices.reasoningPerMillion),
    per_request_usd: formatUsd(prices.perRequest),
  };
}

/** The prices of a version; null when it ends the price. */
export function shownPrices(row: PriceRow | undefined): Prices | null {
  if (!row?.priced) return null;
  const tiers = shownTiers(row);
  return { ...shownTokenPrices(row), ...(Object.keys(tiers).length > 0 ? { service_tiers: tiers } : {}) };
}

/** Prices that are to be stored, as the API will show them. */
export function shownPriceInput({ serviceTiers, ...prices }: PriceInput): Prices {
  const tiers = Object.fromEntries([...serviceTiers].map(([tier, own]) => [tier, shownTokenPrices(own)]));
  return { ...shownTokenPrices(prices), ...(serviceTiers.size > 0 ? { service_tiers: tiers } : {}) };
}

/** A version with its place among the others. @param rows all of the model's, newest first */
export function shownPrice(row: PriceRow, rows: readonly PriceRow[], nowMs: number): Price {
  const inEffect = rows.find(({ effectiveFrom }) => effectiveFrom.getTime() <= nowMs);
  const isScheduled = row.effectiveFrom.getTime() > nowMs;
  return {
    id: toPublicId('price', row.id),
    model_id: toPublicId('model', row.modelId),
    effective_from: row.effectiveFrom.toISOString(),
    state: isScheduled ? 'scheduled' : row.id === inEffect?.id ? 'in_effect' : 'superseded',
    priced: row.priced,
    ...(row.priced ? shownTokenPrices(row) : NO_PRICES),
    service_tiers: shownTiers(row),
    created_at: row.createdAt.toISOString(),
  };
}

const NO_PRICES = {
  input_per_million_usd: null,
  cached_input_per_million_usd: null,
  cache_write_per_million_usd: null,
  output_per_million_usd: null,
  reasoning_per_million_usd: null,
  per_request_usd: null,
};

function shownTiers(row: PriceRow): Record<string, Shown> {
  return Object.fromEntries([...tiersOf(row)].map(([tier, prices]) => [tier, shownTokenPrices(prices)]));
}
