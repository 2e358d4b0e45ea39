/** How much of the input came from the cache, to a hundredth of a per cent; null: there was no input. */
export function cachedShare(inputTokens: number, cachedTokens: number): number | null {
  return inputTokens === 0 ? null : Math.round((cachedTokens / inputTokens) * 10_000) / 10_000;
}
