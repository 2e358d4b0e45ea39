import type { TokenUsage } from '@app/protocol';

/** One version of a model's prices, in nano-USD, per million tokens or per request. */
export interface ModelPrice {
  readonly id: string;
  readonly inputPerMillion: bigint;
  readonly cachedInputPerMillion: bigint;
  readonly cacheWritePerMillion: bigint;
  readonly outputPerMillion: bigint;
  readonly reasoningPerMillion: bigint;
  readonly perRequest: bigint;
}

const MILLION = 1_000_000n;

/**
 * What a response costs, in nano-USD, rounded half up once at the end. Cached and cache-write tokens are part of the input
 * tokens and reasoning tokens part of the output tokens: each token is charged once, at its own price.
 */
export function costNanoUsd(usage: TokenUsage, price: ModelPrice): bigint {
  const cached = Math.min(usage.cachedTokens, usage.inputTokens);
  const written = Math.min(usage.cacheWriteTokens, usage.inputTokens - cached);
  const reasoning = Math.min(usage.reasoningTokens, usage.outputTokens);
  const perMillion =
    BigInt(usage.inputTokens - cached - written) * price.inputPerMillion +
    BigInt(cached) * price.cachedInputPerMillion +
    BigInt(written) * price.cacheWritePerMillion +
    BigInt(usage.outputTokens - reasoning) * price.outputPerMillion +
    BigInt(reasoning) * price.reasoningPerMillion;
  return (perMillion + MILLION / 2n) / MILLION + price.perRequest;
}
