import { toPublicId } from '@app/contract';
import type { UsageTotals } from '@app/usage';

const NANO_USD = 1e9;

export type CompletionsResult = ReturnType<typeof completionsResult>;
export type CostsResult = ReturnType<typeof costsResult>;

/** What was used, in OpenAI's words; input tokens are all of them, those read from the cache and written to it included. */
export function completionsResult(totals: UsageTotals, groups: ReadonlySet<string>) {
  return {
    object: 'organization.usage.completions.result',
    input_tokens: Number(totals.input_tokens),
    output_tokens: Number(totals.output_tokens),
    input_cached_tokens: Number(totals.cached_tokens),
    input_cache_write_tokens: Number(totals.cache_write_tokens),
    input_audio_tokens: 0,
    output_audio_tokens: 0,
    num_model_requests: Number(totals.upstream_requests),
    project_id: projectId(totals),
    user_id: totals.owner,
    api_key_id: apiKeyId(totals),
    model: totals.model,
    batch: groups.has('batch') ? false : null,
    service_tier: totals.service_tier,
  };
}

/** What it cost, by the gateway's own prices. */
export function costsResult(totals: UsageTotals) {
  return {
    object: 'organization.costs.result',
    amount: { value: Number(totals.cost_nano_usd) / NANO_USD, currency: 'usd' },
    line_item: totals.model,
    project_id: projectId(totals),
    api_key_id: apiKeyId(totals),
    quantity: null,
  };
}

function projectId({ group_id: id }: UsageTotals): string | null {
  return id && toPublicId('group', id);
}

function apiKeyId({ key_id: id }: UsageTotals): string | null {
  return id && toPublicId('key', id);
}
