import type { ConfigDocument, ConfigKey, ConfigModel, CreateGroup, Prices, PricesInput } from '@app/contract';
import { formatMultiplier, formatUsd, parseMultiplier, parseUsd } from '@app/models';
import { shownPriceInput, shownTokenPrices, toPriceInput, toTokenPrices } from '../admin/price-fields.js';

type Version = NonNullable<ConfigModel['price_versions']>[number];

/** A document in which what means the same is written the same, and as the API shows it: so it can be compared. */
export function canonical(document: ConfigDocument): ConfigDocument {
  return {
    ...document,
    models: document.models.map(canonicalModel),
    groups: document.groups.map(canonicalGroup),
    keys: document.keys.map(canonicalKey),
  };
}

function canonicalModel(model: ConfigModel): ConfigModel {
  const routes = new Map(model.upstreams.map((route) => [route.upstream, route]));
  return {
    ...model,
    aliases: [...new Set(model.aliases)],
    upstreams: [...routes.values()].toSorted((a, b) => (a.upstream < b.upstream ? -1 : 1)),
    ...(model.prices ? { prices: canonicalPrices(model.prices) } : {}),
    ...(model.price_versions ? { price_versions: model.price_versions.map(canonicalVersion).toSorted(byTime) } : {}),
  };
}

function canonicalVersion({ effective_from: from, ...prices }: Version): Version {
  return { effective_from: new Date(from).toISOString(), ...canonicalPrices(prices) };
}

/** What is left out of prices follows from the others; no tiers are shown as none. */
function canonicalPrices(prices: Omit<PricesInput, 'effective_from'>): PricesInput {
  return shownPriceInput(toPriceInput(prices)) as PricesInput;
}

function byTime(a: { effective_from: string }, b: { effective_from: string }): number {
  return a.effective_from < b.effective_from ? -1 : 1;
}

function canonicalGroup(group: CreateGroup): CreateGroup {
  const multiplier = parseMultiplier(group.price_multiplier);
  return {
    ...group,
    models: sortedNames(group.models),
    budget_usd: canonicalUsd(group.budget_usd),
    windows: group.windows.map((window) => ({
      ...window,
      limit: typeof window.limit === 'string' ? (canonicalUsd(window.limit) ?? window.limit) : window.limit,
    })),
    price_multiplier: multiplier === null ? group.price_multiplier : formatMultiplier(multiplier),
    ceiling_prices: group.ceiling_prices && shownTokenPrices(toTokenPrices(group.ceiling_prices)),
  };
}

function canonicalKey(key: ConfigKey): ConfigKey {
  return {
    ...key,
    budget_usd: canonicalUsd(key.budget_usd),
    expires_at: key.expires_at && new Date(key.expires_at).toISOString(),
  };
}

function canonicalUsd<T extends string | null>(text: T): T | string {
  const nanoUsd = text === null ? null : parseUsd(text);
  return nanoUsd === null ? text : formatUsd(nanoUsd);
}

/** Names and patterns of models, each once, in an order that no database decides. */
export function sortedNames(names: readonly string[]): string[] {
  return [...new Set(names)].toSorted();
}

/**
 * The prices that a model is to have now, as they were given: its newest version whose time has come, else its prices. undefined: nothing
 * is said of that.
 */
export function wantedPrices(
  model: ConfigModel,
  nowMs: number,
): Version | Omit<PricesInput, 'effective_from'> | null | undefined {
  return model.price_versions?.findLast(({ effective_from: from }) => Date.parse(from) <= nowMs) ?? model.prices;
}

/** Prices without the time from which on they count. */
export function undated(prices: Version | Omit<PricesInput, 'effective_from'>): Prices {
  const { effective_from: _from, ...rest } = prices as Version;
  return rest as Prices;
}
