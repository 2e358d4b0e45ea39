-- Rows of the request log as a busy gateway has them: $1 of them, evenly over the $2 days before $3; of these, from the $4th to
-- the $5th. The same numbers make the same rows: 20 groups, 200 keys, sessions of 15 turns each, 40 at a time, one request in 20 fails.
WITH drawn AS (
  SELECT n,
    date_trunc('milliseconds', $3::timestamptz - make_interval(secs => (($1::bigint - n) * $2::float8 * 86400) / $1::bigint)) AS at,
    n / 600 * 40 + n % 40 AS session,
    abs(hashint8extended(n, 1) % 1000) AS luck,
    abs(hashint8extended(n, 2) % 100000) AS size,
    abs(hashint8extended(n, 3) % 10000) AS pace,
    md5(n::text) AS digits
  FROM generate_series($4::bigint, $5::bigint) AS n
), placed AS (
  SELECT drawn.*, (abs(hashint8extended(session, 4) % 200) * abs(hashint8extended(session, 5) % 200)) / 200 AS key,
    abs(hashint8extended(session, 6) % 100) AS taste,
    CASE WHEN luck < 945 THEN 'ok' WHEN luck < 965 THEN 'client_left' WHEN luck < 980 THEN 'limited'
      WHEN luck < 990 THEN 'upstream_error' WHEN luck < 995 THEN 'client_error' WHEN luck < 997 THEN 'timeout'
      WHEN luck < 999 THEN 'upstream_broke_off' ELSE 'gateway_error' END AS outcome
  FROM drawn
), told AS (
  SELECT placed.*, outcome IN ('ok', 'client_left', 'upstream_broke_off') AS is_used,
    outcome NOT IN ('limited', 'client_error') AS is_asked
  FROM placed
)
INSERT INTO request_log (id, started_at, key_id, key_name, group_id, group_name, model, served_model, upstream_id, upstream_name,
  route, kind, stream, status, upstream_status, outcome, error_code, error_message, settlement, usage_source, input_tokens,
  cached_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_nano_usd, price_id, first_byte_ms, duration_ms, attempts,
  request_bytes, response_bytes, session_id, client, client_ip, response_id, upstream_request_id, client_request_id,
  upstream_attempts, keep_alives, client_left_action, decision, service_tier, base_cost_nano_usd, price_multiplier, priced_calls,
  cache_drop)
SELECT
  (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(digits, 1, 3) || '8' || substr(digits, 4, 15))::uuid,
  at, md5('key' || key)::uuid, 'laptop-' || key, md5('group' || key % 20)::uuid, 'team-' || key % 20,
  CASE WHEN taste < 60 THEN 'gpt-5.5' WHEN taste < 85 THEN 'gpt-5.5-codex' WHEN taste < 97 THEN 'gpt-5.5-mini' ELSE 'o9' END,
  CASE WHEN is_used THEN CASE WHEN taste < 60 THEN 'gpt-5.5-2026-08-01' ELSE 'gpt-5.5-codex-2026-09-01' END END,
  CASE WHEN is_asked THEN md5('upstream' || session % 3)::uuid END, CASE WHEN is_asked THEN 'openai-' || session % 3 END,
  'POST /v1/responses', CASE WHEN n % 30 = 7 THEN 'compaction' ELSE 'response' END, luck % 10 > 0,
  CASE outcome WHEN 'limited' THEN 429 WHEN 'upstream_error' THEN 502 WHEN 'client_error' THEN 400 WHEN 'timeout' THEN 504
    WHEN 'gateway_error' THEN 500 ELSE 200 END,
  CASE outcome WHEN 'upstream_error' THEN 500 ELSE CASE WHEN is_used THEN 200 END END, outcome,
  CASE outcome WHEN 'limited' THEN 'rate_limit_exceeded' WHEN 'upstream_error' THEN 'upstream_error'
    WHEN 'client_error' THEN 'invalid_request' WHEN 'timeout' THEN 'upstream_timeout' WHEN 'gateway_error' THEN 'internal_error' END,
  CASE outcome WHEN 'limited' THEN 'The key has used up its 60 requests per minute. Please try again in 4 s.'
    WHEN 'upstream_error' THEN 'openai-' || session % 3 || ' answered 500: The server had an error while processing your request.'
    WHEN 'client_error' THEN 'The field ''input'' must be a string or a list.' WHEN 'timeout' THEN 'No answer within 60 s.' END,
  CASE outcome WHEN 'client_left' THEN 'estimated' WHEN 'upstream_broke_off' THEN 'partial' ELSE 'final' END,
  CASE WHEN is_used THEN CASE outcome WHEN 'client_left' THEN 'estimate' ELSE 'terminal_event' END ELSE 'none' END,
  CASE WHEN is_used THEN size + 500 END, CASE WHEN is_used THEN size * (pace % 100) / 100 END, CASE WHEN is_used THEN 0 END,
  CASE WHEN is_used THEN pace / 4 + 10 END, CASE WHEN is_used THEN pace / 10 END,
  CASE WHEN is_used THEN size * 1250 + pace * 2500 END, CASE WHEN is_used THEN md5('price' || taste / 25)::uuid END,
  CASE WHEN is_asked THEN 300 + pace / 3.0 END, CASE WHEN is_asked THEN 900 + pace * 1.7 ELSE 0.8 + pace / 10000.0 END,
  CASE WHEN is_asked THEN 1 + (luck % 50 = 0)::int ELSE 0 END, size * 4 + 9000, CASE WHEN is_used THEN pace * 60 ELSE 300 END,
  md5('session' || session)::uuid::text, 'codex_exec/0.' || 160 + taste % 10 || '.0', ('10.0.' || key % 4 || '.' || key)::inet,
  CASE WHEN is_used THEN 'resp_0' || digits || substr(md5(digits), 1, 17) END,
  CASE WHEN is_asked THEN 'req_' || md5('u' || n) END, md5('c' || n)::uuid::text,
  CASE WHEN is_asked THEN jsonb_build_array(jsonb_build_object('status', 200, 'sent_ms', luck / 1000.0,
    'first_byte_ms', 300 + pace / 3, 'duration_ms', 900 + pace, 'headers', jsonb_build_object('openai-processing-ms', (pace / 3)::text))) END,
  pace / 4000, CASE outcome WHEN 'client_left' THEN 'cancelled' END,
  CASE outcome WHEN 'limited' THEN jsonb_build_object('checks', jsonb_build_array(jsonb_build_object('check', 'limits', 'ok', false,
    'detail', 'requests_per_minute of the key'))) END,
  CASE WHEN is_used THEN 'default' END, CASE WHEN is_used THEN size * 1250 + pace * 2500 END, CASE WHEN is_used THEN 1 END,
  CASE WHEN is_used THEN 1 END,
  CASE WHEN is_used AND luck % 50 = 9 THEN jsonb_build_object('cause', (ARRAY['input', 'tools', 'compaction', 'unknown'])[1 + pace % 4],
    'item_index', NULL, 'item_type', NULL, 'expected_tokens', size, 'cached_tokens', 0, 'idle_ms', pace,
    'previous_request_id', 'req_' || md5('p' || n)) END
FROM told
