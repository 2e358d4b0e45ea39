import type { JsonObject } from './json.js';

/** Tokens of one response; cached and cache-write tokens are part of the input, reasoning tokens of the output. */
export interface Usage {
  inputTokens: number;
  cachedTokens: number;
  cacheWriteTokens: number;
  outputTokens: number;
  reasoningTokens: number;
  totalTokens: number;
}

/** The input half of a usage. */
export type InputUsage = Pick<Usage, 'inputTokens' | 'cachedTokens' | 'cacheWriteTokens'>;

/** The output half of a usage, which grows event by event. */
export type OutputUsage = Pick<Usage, 'outputTokens' | 'reasoningTokens'>;

/** Nothing generated yet. */
export const NO_OUTPUT: OutputUsage = { outputTokens: 0, reasoningTokens: 0 };

/** Joins the two halves and their total. */
export function joinUsage(input: InputUsage, output: OutputUsage): Usage {
  return {
    inputTokens: input.inputTokens,
    cachedTokens: input.cachedTokens,
    cacheWriteTokens: input.cacheWriteTokens,
    outputTokens: output.outputTokens,
    reasoningTokens: output.reasoningTokens,
    totalTokens: input.inputTokens + output.outputTokens,
  };
}

/** Input tokens of a request: a quarter of the characters of its input (as JSON) and instructions, at least 1. */
export function countInputTokens(body: JsonObject): number {
  const input = body['input'] === undefined ? '' : JSON.stringify(body['input']);
  const instructions = typeof body['instructions'] === 'string' ? body['instructions'] : '';
  return Math.max(1, Math.ceil((input.length + instructions.length) / 4));
}

/** The usage object as on the wire. */
export function usageToJson(usage: Usage): string {
  return (
    `{"input_tokens":${usage.inputTokens},"input_tokens_details":{"cached_tokens":${usage.cachedTokens},` +
    `"cache_write_tokens":${usage.cacheWriteTokens}},"output_tokens":${usage.outputTokens},` +
    `"output_tokens_details":{"reasoning_tokens":${usage.reasoningTokens}},"total_tokens":${usage.totalTokens}}`
  );
}

const KEYS_MAX = 10_000;
const BLOCK_TOKENS = 64;

/** Remembers how many input tokens were last seen under each `prompt_cache_key`. */
export class PromptCache {
  private readonly inputTokensByKey = new Map<string, number>();

  /** Splits a request's input tokens into cached, written and plain ones, and remembers them for the next request. */
  account(inputTokens: number, key: unknown): InputUsage {
    if (typeof key !== 'string') return { inputTokens, cachedTokens: 0, cacheWriteTokens: 0 };
    const previous = this.inputTokensByKey.get(key);
    this.remember(key, inputTokens);
    if (previous === undefined) return { inputTokens, cachedTokens: 0, cacheWriteTokens: inputTokens };
    const shared = Math.min(inputTokens, previous);
    return { inputTokens, cachedTokens: shared - (shared % BLOCK_TOKENS), cacheWriteTokens: 0 };
  }

  private remember(key: string, inputTokens: number): void {
    // Deleting first moves the key to the end, so that the oldest key is the one dropped.
    this.inputTokensByKey.delete(key);
    this.inputTokensByKey.set(key, inputTokens);
    if (this.inputTokensByKey.size <= KEYS_MAX) return;
    for (const oldest of this.inputTokensByKey.keys()) {
      this.inputTokensByKey.delete(oldest);
      return;
    }
  }
}
