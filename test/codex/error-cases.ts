// oxlint-disable max-lines -- one table of cases, as codex-cli.md has it
import type { Fault } from '../../apps/simulator/src/simulator.js';

/** What one version of Codex is expected to do. */
export interface Expected {
  requests: number;
  /** Default: as many. */
  upstreamRequests?: number;
  /** What its user reads; `URL` and `ID` stand for the gateway's address and the id of the last request. */
  text: string;
  /** Default: 1. */
  exitCode?: number;
}

/** A failure, and what it is to cost the user of either Codex. */
export interface ErrorCase {
  what: string;
  /** How the upstream fails, if it is the upstream that does. */
  fault?: Fault;
  /** What is wrong on the user's own side. */
  mistake?: { key?: (secret: string) => string; path?: string; model?: string; picturesPx?: number[] };
  /** What is wrong on the operator's side. */
  upstream?: 'disabled' | 'unreachable';
  /** With which Codex it is played when there is no time to play all. */
  inShortRun?: 'current' | 'both';
  /** Takes longer than a short run has time for: there, Codex is told not to retry, and its requests are not counted. */
  isSlow?: boolean;
  settings?: Record<string, number>;
  current: Expected;
  old: Expected;
}

const status = (of: number, more: object = {}): Fault => ({ kind: 'status', status: of, ...more });
const failed = (code: string, message: string): Fault => ({ kind: 'failed', code, message });

/** Of both versions. */
const costs = (requests: number, text: string, more: Partial<Expected> = {}) => ({
  current: { requests, text, ...more },
  old: { requests, text, ...more },
});
/** Only the current one shows the message and stops; the old one tries six times, or shows the whole answer. */
const message = (text: string, old: Partial<Expected> = {}) => ({
  current: { requests: 1, text },
  old: { requests: 1, text, ...old },
});
const unexpected = (of: string, text: string, path = '/v1') =>
  `unexpected status ${of}: ${text}, url: URL${path}/responses, request id: ID`;
const cut = (text: string) => `stream disconnected before completion: ${text}`;
const json = (code: string, text: string) =>
  JSON.stringify({ error: { message: text, type: 'invalid_request_error', param: null, code } });

const BAD_GATEWAY = unexpected(
  '502 Bad Gateway',
  'The model provider could not be reached or did not answer properly. Try again; if it stays, give your operator the request id.',
);
const TIMEOUT = unexpected(
  '504 Gateway Timeout',
  'The model provider did not answer in time. Try again; for long work use stream: true.',
);
const NO_ROOM =
  "Codex ran out of room in the model's context window. Start a new thread or clear earlier history before retrying.";
const AT_CAPACITY = 'Selected model is at capacity. Please try a different model.';
const NO_QUOTA = 'Quota exceeded. Check your plan and billing details.';
const TOO_MANY = 'exceeded retry limit, last status: 429 Too Many Requests, request id: ID';
const DENIED = "The model 'no-such-model' is not available to this API key. Use one of: gpt-5.5.";
const BROKE_OFF = cut('The model provider broke off the answer. Try again.');

/** The old Codex never asks again after a 429. */
const LIMITED = { current: { requests: 6, text: TOO_MANY }, old: { requests: 1, text: TOO_MANY } };
/** Retry-After has the current Codex ask as often as after any 503; without it five requests would be all. */
const OVERLOADED = { current: { requests: 30, text: AT_CAPACITY }, old: { requests: 5, text: AT_CAPACITY } };

const MISTAKES: ErrorCase[] = [
  {
    what: 'a wrong key',
    mistake: { key: () => 'sk-tg-wrong' },
    inShortRun: 'both',
    ...costs(
      6,
      unexpected(
        '401 Unauthorized',
        'The API key is not valid: it is mistyped, unknown, expired or revoked. Check the key or ask your operator for a new one.',
      ),
      { upstreamRequests: 0 },
    ),
  },
  {
    what: 'a key with a line break at its end',
    mistake: { key: (secret) => `${secret}\n` },
    inShortRun: 'current',
    ...costs(
      6,
      unexpected(
        '401 Unauthorized',
        'No API key was sent. Send it as "Authorization: Bearer sk-tg-…"; in Codex CLI set env_key of your model provider and export that variable without a line break at its end.',
      ),
      { upstreamRequests: 0 },
    ),
  },
  {
    what: 'a model that the key may not use',
    mistake: { model: 'no-such-model' },
    inShortRun: 'both',
    current: { requests: 1, upstreamRequests: 0, text: DENIED },
    old: { requests: 6, upstreamRequests: 0, text: unexpected('403 Forbidden', DENIED) },
  },
  {
    what: 'a wrong path in `base_url`',
    mistake: { path: '/team/v1' },
    inShortRun: 'current',
    ...costs(
      6,
      unexpected(
        '404 Not Found',
        'Unknown URL (POST /team/v1/responses). The route for model calls is POST /v1/responses; in Codex CLI set base_url to this server, with or without /v1.',
        '/team/v1',
      ),
      { upstreamRequests: 0 },
    ),
  },
  {
    what: 'three pictures of 20 MB',
    mistake: { picturesPx: [2_600, 2_600, 2_600] },
    current: {
      requests: 6,
      upstreamRequests: 0,
      text: unexpected(
        '413 Payload Too Large',
        'The request body is larger than the 64 MiB that this gateway accepts. Send less: shorten the history or the images.',
      ),
    },
    // It makes them smaller.
    old: { requests: 1, text: '', exitCode: 0 },
  },
];

const OPERATION: ErrorCase[] = [
  {
    what: 'no upstream',
    upstream: 'disabled',
    current: { ...OVERLOADED.current, upstreamRequests: 0 },
    old: { ...OVERLOADED.old, upstreamRequests: 0 },
  },
  {
    what: 'an upstream that cannot be reached',
    upstream: 'unreachable',
    ...costs(30, BAD_GATEWAY, { upstreamRequests: 0 }),
  },
];

const REFUSALS: ErrorCase[] = [
  {
    what: 'upstream: 400',
    fault: status(400, { message: 'Bad field.', code: 'invalid_value' }),
    inShortRun: 'both',
    ...costs(1, json('invalid_value', 'Bad field.')),
  },
  ...['invalid_prompt', 'content_policy_violation', 'cyber_policy', 'model_not_found'].map((code): ErrorCase => ({
    what: `upstream: 400 \`${code}\``,
    fault: status(400, { message: 'Not so.', code }),
    ...(code === 'invalid_prompt' ? { inShortRun: 'current' } : {}),
    ...message('Not so.', { text: json(code, 'Not so.') }),
  })),
  {
    what: 'upstream: 400 `context_length_exceeded`',
    fault: status(400, { message: 'Too long.', code: 'context_length_exceeded' }),
    inShortRun: 'current',
    ...message(NO_ROOM, { text: json('context_length_exceeded', 'Too long.') }),
  },
  {
    what: 'upstream: 404 `model_not_found`',
    fault: status(404, { message: 'No such model there.', code: 'model_not_found' }),
    inShortRun: 'current',
    ...message('No such model there.', { requests: 6, text: unexpected('404 Not Found', 'No such model there.') }),
  },
  ...Object.entries({
    404: '404 Not Found',
    409: '409 Conflict',
    413: '413 Payload Too Large',
    422: '422 Unprocessable Entity',
  }).map(([code, name]): ErrorCase => ({
    what: `upstream: ${code}`,
    fault: status(Number(code), { message: 'Not so.' }),
    ...costs(6, unexpected(name, 'Not so.')),
  })),
];

const ACCOUNT: ErrorCase[] = [
  { what: 'upstream: 401', fault: status(401), inShortRun: 'current', isSlow: true, ...costs(30, BAD_GATEWAY) },
  { what: 'upstream: 402', fault: status(402), ...costs(30, BAD_GATEWAY) },
  { what: 'upstream: 403', fault: status(403), ...costs(30, BAD_GATEWAY) },
  {
    what: 'upstream: 403 `model_not_found`',
    fault: status(403, { code: 'model_not_found' }),
    ...costs(30, BAD_GATEWAY),
  },
  { what: 'upstream: 429', fault: status(429), inShortRun: 'both', isSlow: true, ...LIMITED },
  {
    what: 'upstream: 429, `Retry-After: 1`',
    fault: status(429, { headers: { 'retry-after': '1' } }),
    inShortRun: 'current',
    ...LIMITED,
  },
  {
    what: 'upstream: 429, `Retry-After: 3600` (`stream_max_retries = 1`)',
    fault: status(429, { headers: { 'retry-after': '3600' } }),
    settings: { stream_max_retries: 1 },
    current: { requests: 2, text: TOO_MANY },
    old: LIMITED.old,
  },
  {
    what: 'upstream: 429 `usage_limit_reached`, with `resets_at` and `x-codex-promo-message`',
    fault: status(429, {
      type: 'usage_limit_reached',
      code: null,
      message: 'The usage limit has been reached',
      extra: { resets_at: 1_900_000_000 },
      headers: { 'x-codex-promo-message': 'Ask your admin for more' },
    }),
    ...LIMITED,
  },
  {
    what: 'upstream: 429 `insufficient_quota`',
    fault: status(429, { type: 'insufficient_quota', code: 'insufficient_quota', message: 'No money left.' }),
    ...LIMITED,
  },
];

const FAILURES: ErrorCase[] = [
  { what: 'upstream: 408', fault: status(408), ...costs(30, TIMEOUT) },
  { what: 'upstream: 500', fault: status(500), inShortRun: 'both', isSlow: true, ...costs(30, BAD_GATEWAY) },
  { what: 'upstream: 502, an HTML page', fault: { kind: 'html', status: 502 }, ...costs(30, BAD_GATEWAY) },
  { what: 'upstream: 503', fault: status(503, { code: null, type: 'server_error' }), ...OVERLOADED },
  {
    what: 'upstream: 503 `server_is_overloaded`, `Retry-After: 1`',
    fault: status(503, { headers: { 'retry-after': '1' } }),
    inShortRun: 'current',
    isSlow: true,
    ...OVERLOADED,
  },
  { what: 'upstream: 504', fault: status(504), ...costs(30, TIMEOUT) },
  { what: 'upstream: 529', fault: status(529, { type: 'overloaded_error', code: null }), ...OVERLOADED },
  {
    what: 'upstream: resets before its headers',
    fault: { kind: 'reset_before_headers' },
    inShortRun: 'current',
    isSlow: true,
    ...costs(30, BAD_GATEWAY),
  },
  { what: 'upstream: resets after its headers', fault: { kind: 'reset_after_headers' }, ...costs(30, BAD_GATEWAY) },
  { what: 'upstream: 200, an HTML page', fault: { kind: 'html', status: 200 }, ...costs(30, BAD_GATEWAY) },
  { what: 'upstream: 200, a JSON error', fault: { kind: 'json_error_200' }, ...costs(30, BAD_GATEWAY) },
  { what: 'upstream: 200, ends before its first event', fault: { kind: 'clean_eof' }, ...costs(30, BAD_GATEWAY) },
];

const BROKEN_STREAMS: ErrorCase[] = [
  {
    what: 'upstream: breaks off in the middle of an event',
    fault: { kind: 'break_off', after_events: 5, partial_bytes: 20 },
    inShortRun: 'both',
    ...costs(6, BROKE_OFF),
  },
  {
    what: 'upstream: ends without a terminal event',
    fault: { kind: 'clean_eof', after_events: 5 },
    inShortRun: 'current',
    ...costs(6, BROKE_OFF),
  },
  {
    what: 'upstream: falls silent (`stream_idle_timeout_ms = 1000`)',
    fault: { kind: 'stall', after_events: 5 },
    inShortRun: 'current',
    isSlow: true,
    settings: { stream_idle_timeout_ms: 1_000 },
    ...costs(6, cut('idle timeout waiting for SSE')),
  },
];

const FAILED_RESPONSES: ErrorCase[] = [
  {
    what: '`response.failed` `server_error`',
    fault: failed('server_error', 'It broke.'),
    inShortRun: 'current',
    ...costs(6, cut('It broke.')),
  },
  {
    what: '`response.failed` `rate_limit_exceeded`',
    fault: failed('rate_limit_exceeded', 'Slow down. Please try again in 300ms.'),
    inShortRun: 'current',
    current: { requests: 6, text: 'rate limit exceeded: Slow down. Please try again in 300ms.' },
    old: { requests: 6, text: cut('Slow down. Please try again in 300ms.') },
  },
  {
    what: '`response.failed` `context_length_exceeded`',
    fault: failed('context_length_exceeded', 'Too long.'),
    ...costs(1, NO_ROOM),
  },
  {
    what: '`response.failed` `insufficient_quota`',
    fault: failed('insufficient_quota', 'No money left.'),
    ...costs(1, NO_QUOTA),
  },
  {
    what: '`error` event, then `response.failed` `insufficient_quota`',
    fault: { kind: 'error_event' },
    ...costs(1, NO_QUOTA),
  },
  {
    what: '`response.failed` `server_is_overloaded`',
    fault: failed('server_is_overloaded', 'Busy.'),
    ...costs(1, AT_CAPACITY),
  },
  {
    what: '`response.failed` `invalid_prompt`',
    fault: failed('invalid_prompt', 'Not so.'),
    inShortRun: 'current',
    ...costs(1, 'Not so.'),
  },
  ...['model_not_found', 'content_policy_violation', 'cyber_policy', 'bio_policy'].map((code): ErrorCase => ({
    what: `\`response.failed\` \`${code}\``,
    fault: failed(code, 'Not so.'),
    ...message('Not so.', { requests: 6, text: cut('Not so.') }),
  })),
  {
    what: '`response.incomplete` `max_output_tokens`',
    fault: { kind: 'incomplete' },
    inShortRun: 'current',
    ...message('Incomplete response returned, reason: max_output_tokens', {
      requests: 6,
      text: cut('Incomplete response returned, reason: max_output_tokens'),
    }),
  },
  {
    what: '`response.incomplete` `content_filter`',
    fault: { kind: 'incomplete', reason: 'content_filter' },
    ...costs(6, cut('Incomplete response returned, reason: content_filter')),
  },
];

/** Every failure that Codex tells apart, of the user, the operator and the upstream. */
export const ERROR_CASES: readonly ErrorCase[] = [
  ...MISTAKES,
  ...OPERATION,
  ...REFUSALS,
  ...ACCOUNT,
  ...FAILURES,
  ...BROKEN_STREAMS,
  ...FAILED_RESPONSES,
];
