import { crc32 } from 'node:zlib';
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
  return Math.max(1, Math.ceil((input.length + instructionsOf(body).length) / CHARACTERS_PER_TOKEN));
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
const CHARACTERS_PER_TOKEN = 4;

/** A part of a prompt that is in the cache as a whole or not at all. */
interface PromptPart {
  readonly checksum: number;
  /** Those that count as tokens. */
  readonly characters: number;
}

/** Remembers how the prompt began that was last seen under each `prompt_cache_key`. */
export class PromptCache {
  private readonly promptsByKey = new Map<string, readonly PromptPart[]>();

  /** Splits a request's input tokens into cached, written and plain ones, and remembers its prompt for the next request. */
  account(body: JsonObject): InputUsage {
    const inputTokens = countInputTokens(body);
    const key = body['prompt_cache_key'];
    if (typeof key !== 'string') return { inputTokens, cachedTokens: 0, cacheWriteTokens: 0 };
    const prompt = partsOf(body);
    const previous = this.promptsByKey.get(key);
    this.remember(key, prompt);
    if (previous === undefined) return { inputTokens, cachedTokens: 0, cacheWriteTokens: inputTokens };
    const shared = Math.min(inputTokens, Math.floor(sharedCharacters(previous, prompt) / CHARACTERS_PER_TOKEN));
    return { inputTokens, cachedTokens: shared - (shared % BLOCK_TOKENS), cacheWriteTokens: 0 };
  }

  private remember(key: string, prompt: readonly PromptPart[]): void {
    // Deleting first moves the key to the end, so that the oldest key is the one dropped.
    this.promptsByKey.delete(key);
    this.promptsByKey.set(key, prompt);
    if (this.promptsByKey.size <= KEYS_MAX) return;
    for (const oldest of this.promptsByKey.keys()) {
      this.promptsByKey.delete(oldest);
      return;
    }
  }
}

/** What a model reads, in order: its tools, the instructions, then the input; each model has a cache of its own. */
function partsOf(body: JsonObject): PromptPart[] {
  const { input, model, tools } = body;
  const instructions = instructionsOf(body);
  const items: unknown[] = Array.isArray(input) ? input : [input ?? ''];
  return [
    { checksum: crc32(JSON.stringify([model, tools ?? []])), characters: 0 },
    { checksum: crc32(instructions), characters: instructions.length },
    ...items.map((item) => {
      const json = JSON.stringify(item);
      // With what stands between it and the next.
      return { checksum: crc32(json), characters: json.length + 1 };
    }),
  ];
}

function sharedCharacters(previous: readonly PromptPart[], prompt: readonly PromptPart[]): number {
  const changed = prompt.findIndex(({ checksum }, index) => checksum !== previous[index]?.checksum);
  const shared = changed === -1 ? prompt : prompt.slice(0, changed);
  return shared.reduce((sum, { characters }) => sum + characters, 0);
}

function instructionsOf(body: JsonObject): string {
  return typeof body['instructions'] === 'string' ? body['instructions'] : '';
}
