/** One entry per failure that Tollgate answers itself on the data plane; `docs/errors.md` is checked against it. */
export const ERROR_CATALOGUE = {
  invalid_api_key: { status: 401, type: 'invalid_request_error' },
  model_not_found: { status: 403, type: 'invalid_request_error' },
  response_not_found: { status: 404, type: 'invalid_request_error' },
  unknown_url: { status: 404, type: 'invalid_request_error' },
  method_not_allowed: { status: 405, type: 'invalid_request_error' },
  invalid_json: { status: 400, type: 'invalid_request_error' },
  missing_required_parameter: { status: 400, type: 'invalid_request_error' },
  invalid_type: { status: 400, type: 'invalid_request_error' },
  previous_response_not_found: { status: 400, type: 'invalid_request_error' },
  invalid_encrypted_content: { status: 400, type: 'invalid_request_error' },
  // Codex tries other statuses with a code that it does not know again, six times.
  model_not_priced: { status: 400, type: 'invalid_request_error' },
  compaction_failed: { status: 400, type: 'invalid_request_error' },
  responses_compact_not_supported: { status: 400, type: 'invalid_request_error' },
  aborted_by_operator: { status: 400, type: 'invalid_request_error' },
  item_not_found: { status: 404, type: 'invalid_request_error' },
  conversation_not_found: { status: 404, type: 'invalid_request_error' },
  invalid_request: { status: 400, type: 'invalid_request_error' },
  request_timeout: { status: 408, type: 'invalid_request_error' },
  request_too_large: { status: 413, type: 'invalid_request_error' },
  unsupported_content_encoding: { status: 415, type: 'invalid_request_error' },
  expectation_failed: { status: 417, type: 'invalid_request_error' },
  websocket_not_supported: { status: 426, type: 'invalid_request_error' },
  // Of this type, Codex asks once and shows what it is told; a 401 it asks again six times.
  too_many_unauthenticated_requests: { status: 429, type: 'usage_limit_reached' },
  insufficient_quota: { status: 429, type: 'usage_limit_reached' },
  rate_limit_exceeded: { status: 429, type: 'rate_limit_exceeded' },
  internal_error: { status: 500, type: 'server_error' },
  upstream_error: { status: 502, type: 'upstream_error' },
  server_is_overloaded: { status: 503, type: 'server_is_overloaded' },
  upstream_timeout: { status: 504, type: 'upstream_timeout' },
} as const satisfies Record<string, { status: number; type: string }>;

export type ErrorCode = keyof typeof ERROR_CATALOGUE;
