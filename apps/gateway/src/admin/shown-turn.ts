import type { Turn } from '@app/contract';
import type { RequestRow } from '@app/journal';
import { cachedShare } from './cached-share.js';
import { toRequest } from './shown-request.js';

/** A row of the log as a turn of its session. */
export function toTurn(row: RequestRow): Turn {
  const request = toRequest(row);
  return {
    request_id: request.id,
    started_at: request.started_at,
    model: request.model,
    upstream_id: request.upstream_id,
    upstream_name: request.upstream_name,
    outcome: request.outcome,
    input_tokens: request.input_tokens,
    cached_tokens: request.cached_tokens,
    cached_share: cachedShare(request.input_tokens ?? 0, request.cached_tokens ?? 0),
    cache_drop: request.cache_drop,
  };
}
