import type { TokenUsage } from '@app/protocol';

type Json = Readonly<Record<string, unknown>>;

export interface EmulatedAnswer {
  readonly id: string;
  readonly createdAtSeconds: number;
  readonly completedAtSeconds: number;
  readonly model: string;
  readonly output: readonly Json[];
  readonly usage: TokenUsage | null;
}

/** The answer of `POST /responses/compact` (protocol.md §3.1). */
export function compactionObject({ id, createdAtSeconds, model, output, usage }: EmulatedAnswer): Json {
  const object = 'response.compaction';
  return { id, object, created_at: createdAtSeconds, model, status: 'completed', output, usage: usageJson(usage) };
}

/** The answer of a `POST /responses` whose input ends in a `compaction_trigger` (protocol.md §3.3). */
export function triggeredResponse(answer: EmulatedAnswer): Json {
  const { id, createdAtSeconds, model, output, usage } = answer;
  return {
    id,
    object: 'response',
    created_at: createdAtSeconds,
    completed_at: answer.completedAtSeconds,
    status: 'completed',
    background: false,
    error: null,
    incomplete_details: null,
    instructions: null,
    max_output_tokens: null,
    max_tool_calls: null,
    model,
    output,
    parallel_tool_calls: true,
    previous_response_id: null,
    reasoning: { effort: null, summary: null },
    service_tier: 'default',
    store: false,
    temperature: 1,
    text: { format: { type: 'text' } },
    tool_choice: 'auto',
    tools: [],
    top_p: 1,
    truncation: 'disabled',
    usage: usageJson(usage),
    user: null,
    metadata: {},
  };
}

/** A partial usage would break Codex: all of it is there, always. */
function usageJson(usage: TokenUsage | null): Json {
  const {
    inputTokens = 0,
    cachedTokens = 0,
    cacheWriteTokens = 0,
    outputTokens = 0,
    reasoningTokens = 0,
  } = usage ?? {};
  return {
    input_tokens: inputTokens,
    input_tokens_details: { cached_tokens: cachedTokens, cache_write_tokens: cacheWriteTokens },
    output_tokens: outputTokens,
    output_tokens_details: { reasoning_tokens: reasoningTokens },
    total_tokens: inputTokens + outputTokens,
  };
}
