import type { TokenUsage } from '@app/protocol';

/** What a response costs, in nano-USD, per million tokens and per call. */
export interface TokenPrices {
  readonly inputPerMillion: bigint;
  readonly cachedInputPerMillion: bigint;
  readonly cacheWritePerMillion: bigint;
  readonly outputPerMillion: bigint;
  readonly reasoningPerMillion: bigint;
  readonly perRequest: bigint;
}

/** One version of a model's prices. It is never edited: what was charged by it can be computed again. */
export interface ModelPrice extends TokenPrices {
  readonly id: string;
  /** From when on it counts, until the next version does. */
  readonly effectiveFromMs: number;
  /** False: it ends the price; the model has none. */
  readonly isPriced: boolean;
  /** By name; a tier that is not among them costs the standard price. */
  readonly serviceTiers: ReadonlyMap<string, TokenPrices>;
}

const MILLION = 1_000_000n;

/**
 * What a response costs, in nano-USD, rounded half up once at the end. Cached and cache-write tokens are part of the input
 * tokens and reasoning tokens part of the output tokens: each token is charged once, at its own price. A usage that contradicts
 * itself is never charged below zero: parts count up to their whole.
 *
 * @param calls how many calls the usage is the sum of
 */
export function costNanoUsd(usage: TokenUsage, prices: TokenPrices, calls = 1): bigint {
  const cached = Math.min(usage.cachedTokens, usage.inputTokens);
  const written = Math.min(usage.cacheWriteTokens, usage.inputTokens - cached);
  const reasoning = Math.min(usage.reasoningTokens, usage.outputTokens);
  const perMillion =
    BigInt(usage.inputTokens - cached - written) * prices.inputPerMillion +
    BigInt(cached) * prices.cachedInputPerMillion +
    BigInt(written) * prices.cacheWritePerMillion +
    BigInt(usage.outputTokens - reasoning) * prices.outputPerMillion +
    BigInt(reasoning) * prices.reasoningPerMillion;
  return (perMillion + MILLION / 2n) / MILLION + BigInt(calls) * prices.perRequest;
}
