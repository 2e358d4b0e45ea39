import { JsonSyntaxError, scanObject } from './json-scan.js';

/** Tokens of one response as the upstream counted them. Cached and cache-write tokens are part of the input tokens, reasoning tokens of the output tokens (protocol.md §2.5). */
export interface TokenUsage {
  readonly inputTokens: number;
  readonly cachedTokens: number;
  readonly cacheWriteTokens: number;
  readonly outputTokens: number;
  readonly reasoningTokens: number;
}

/** What the log keeps of a response object. */
export interface ResponseSummary {
  readonly id: string | null;
  readonly model: string | null;
  readonly status: string | null;
  /** null when the upstream gave none, which is not the same as zeros. */
  readonly usage: TokenUsage | null;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
}

const WANTED = ['id', 'model', 'status', 'usage', 'error', 'incomplete_details'] as const;

/** Reads a response object from its bytes; null when they are not a JSON object. Output items are skipped, not decoded. */
export function readResponseSummary(raw: Buffer): ResponseSummary | null {
  try {
    const { spans } = scanObject(raw, WANTED);
    const read = (name: (typeof WANTED)[number]): unknown => {
      const field = WANTED.indexOf(name) * 2;
      const start = spans[field] ?? -1;
      return start === -1 ? undefined : JSON.parse(raw.toString('utf8', start, spans[field + 1]));
    };
    const error = asRecord(read('error'));
    const incomplete = asRecord(read('incomplete_details'));
    return {
      id: asText(read('id')),
      model: asText(read('model')),
      status: asText(read('status')),
      usage: readUsage(read('usage')),
      errorCode: asText(error?.code) ?? asText(incomplete?.reason),
      errorMessage: asText(error?.message),
    };
  } catch (error) {
    if (error instanceof JsonSyntaxError || error instanceof SyntaxError) return null;
    throw error;
  }
}

function readUsage(value: unknown): TokenUsage | null {
  const usage = asRecord(value);
  if (!usage) return null;
  const inputTokens = asCount(usage.input_tokens);
  const outputTokens = asCount(usage.output_tokens);
  if (inputTokens === null || outputTokens === null) return null;
  const input = asRecord(usage.input_tokens_details);
  const output = asRecord(usage.output_tokens_details);
  return {
    inputTokens,
    cachedTokens: asCount(input?.cached_tokens) ?? 0,
    cacheWriteTokens: asCount(input?.cache_write_tokens) ?? 0,
    outputTokens,
    reasoningTokens: asCount(output?.reasoning_tokens) ?? 0,
  };
}

function asRecord(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
}

function asText(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function asCount(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}
