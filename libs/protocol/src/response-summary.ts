import { JsonSyntaxError, readSpan } from './json-bytes.js';
import { scanTrustedObject } from './json-scan.js';

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
  /** The tier that served it. */
  readonly serviceTier: string | null;
  /** null when the upstream gave none, which is not the same as zeros. */
  readonly usage: TokenUsage | null;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
}

/** Of a response of which nothing could be read. */
export const UNREAD_RESPONSE: ResponseSummary = {
  id: null,
  model: null,
  status: null,
  serviceTier: null,
  usage: null,
  errorCode: null,
  errorMessage: null,
};

/** No response is that large: a count beyond it is not one, and would overflow sums. */
const TOKENS_MAX = 1_000_000_000;

const WANTED = ['id', 'model', 'status', 'usage', 'error', 'incomplete_details', 'service_tier'] as const;
const [ID, MODEL, STATUS, USAGE, ERROR, INCOMPLETE_DETAILS, SERVICE_TIER] = [0, 1, 2, 3, 4, 5, 6] as const;

/** Reads a response object from its bytes; null when they are not a JSON object. Output items are skipped, not decoded. */
export function readResponseSummary(raw: Buffer): ResponseSummary | null {
  try {
    const { spans } = scanTrustedObject(raw, WANTED);
    const read = (field: number): unknown => {
      const start = spans[field * 2] ?? -1;
      return start === -1 ? undefined : readSpan(raw, start, spans[field * 2 + 1] ?? -1);
    };
    const error = asRecord(read(ERROR));
    const incomplete = asRecord(read(INCOMPLETE_DETAILS));
    return {
      id: asText(read(ID)),
      model: asText(read(MODEL)),
      status: asText(read(STATUS)),
      serviceTier: asText(read(SERVICE_TIER)),
      usage: readUsage(read(USAGE)),
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
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= TOKENS_MAX ? value : null;
}
