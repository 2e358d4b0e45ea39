import { GatewayError } from './gateway-error.js';

/** The words of the gateway: every data-plane failure is made here, so that its text is written once. */
export const errors = {
  missingKey: () =>
    new GatewayError(
      'invalid_api_key',
      'No API key was sent. Send it as "Authorization: Bearer sk-tg-…"; in Codex CLI set env_key of your model provider and export that variable without a line break at its end.',
    ),
  invalidKey: () =>
    new GatewayError(
      'invalid_api_key',
      'The API key is not valid: it is mistyped, unknown, expired or revoked. Check the key or ask your operator for a new one.',
    ),
  /** Codex shows the header's sentence, and nobody is to try again (codex-cli.md §6). @param nowMs wall clock */
  tooManyUnauthenticated: (retryAfterSeconds: number, nowMs: number) =>
    new GatewayError(
      'too_many_unauthenticated_requests',
      `Too many requests without a valid API key came from your address. Check the key or ask your operator for a new one: a valid key is served at once, everybody else in ${retryAfterSeconds} s.`,
      {
        retryAfterSeconds,
        details: { resets_at: Math.ceil(nowMs / 1000) + retryAfterSeconds },
        headers: {
          'x-should-retry': 'false',
          'x-codex-promo-message': 'Too many requests without a valid API key came from your address: check the key',
        },
      },
    ),
  modelNotAllowed: (model: string, allowed: readonly string[]) =>
    new GatewayError(
      'model_not_found',
      `The model '${model}' is not available to this API key. ${
        allowed.length > 0
          ? `Use one of: ${allowed.join(', ')}.`
          : 'It may use no model yet: ask your operator to allow one.'
      }`,
      { param: 'model' },
    ),
  modelNotPriced: (model: string) =>
    new GatewayError(
      'model_not_priced',
      `The model '${model}' has no price in this gateway, and your group may only use models that have one. Use another model, or ask your operator to set its price.`,
      { param: 'model' },
    ),
  unknownUrl: (method: string, path: string) =>
    new GatewayError('unknown_url', `Unknown URL (${method} ${path}). ${routeAdvice(path)}`),
  invalidJson: (reason: string, cause?: unknown) =>
    new GatewayError('invalid_json', `The request body is not valid JSON: ${reason}. Send one JSON object.`, { cause }),
  missingParameter: (param: string) =>
    new GatewayError(
      'missing_required_parameter',
      `Missing required parameter: '${param}'. Add it to the request body.`,
      {
        param,
      },
    ),
  invalidType: (param: string, expected: string) =>
    new GatewayError('invalid_type', `Invalid type for '${param}': ${expected} was expected.`, { param }),
  invalidRequest: (message: string, cause?: unknown) => new GatewayError('invalid_request', message, { cause }),
  requestTooLarge: (limitBytes: number) =>
    new GatewayError(
      'request_too_large',
      `The request body is larger than the ${Math.floor(limitBytes / 1024 / 1024)} MiB that this gateway accepts. Send less: shorten the history or the images.`,
    ),
  bodyUnpacksTooFar: (ratioMax: number) =>
    new GatewayError(
      'request_too_large',
      `The compressed request body unpacks to more than ${ratioMax} times its size. Send it uncompressed.`,
    ),
  undecodableBody: (encoding: string, cause?: unknown) =>
    new GatewayError(
      'invalid_request',
      `The request body is not one whole ${encoding} stream: it is damaged, cut off or followed by something else. Send it again, or uncompressed.`,
      { cause },
    ),
  requestTimeout: () =>
    new GatewayError('request_timeout', 'The request body came too slowly. Send it again on a faster connection.', {
      headers: { connection: 'close' },
    }),
  unsupportedContentEncoding: (encoding: string) =>
    new GatewayError(
      'unsupported_content_encoding',
      `The content-encoding '${encoding}' is not supported. Send the body uncompressed, or with one of zstd, gzip, br, deflate.`,
      { headers: { 'accept-encoding': 'zstd, gzip, br, deflate' } },
    ),
  duplicateHeader: (header: string) =>
    new GatewayError('invalid_request', `The header '${header}' was sent more than once. Send it once.`),
  missingHost: () => new GatewayError('invalid_request', "The header 'host' is missing. Send it."),
  // What announces a body and then waits does not send it: the connection cannot be used again.
  expectationFailed: () =>
    new GatewayError('expectation_failed', "The header 'expect' is not supported. Send the request without it.", {
      headers: { connection: 'close' },
    }),
  methodNotAllowed: (method: string, path: string, allowed: string) =>
    new GatewayError('method_not_allowed', `${method} is not served at ${path}. Use ${allowed} ${path}.`, {
      headers: { allow: allowed },
    }),
  websocketNotSupported: () =>
    new GatewayError(
      'websocket_not_supported',
      'This gateway does not speak WebSocket. Send POST /v1/responses instead (Codex CLI does so by itself).',
    ),
  upstreamRateLimited: (retryAfterSeconds: number, cause: unknown) =>
    new GatewayError(
      'rate_limit_exceeded',
      `The model provider is limiting this gateway's requests. Please try again in ${retryAfterSeconds} s.`,
      { retryAfterSeconds, cause },
    ),
  /** @param waitMs until there is room again */
  rateLimited: (state: LimitState, waitMs: number) => {
    const seconds = Math.min(RETRY_AFTER_SECONDS_MAX, Math.max(1, Math.ceil(waitMs / 1000)));
    const what = state.name.replaceAll('_', ' ');
    return new GatewayError(
      'rate_limit_exceeded',
      `Rate limit reached for your ${state.scope} on ${what}: limit ${state.limit}, used ${Math.round(state.used)}. Please try again in ${seconds} s.`,
      { retryAfterSeconds: seconds, rule: state.rule, details: limitDetails(state) },
    );
  },
  tooManyAtOnce: (scope: string, limit: number) =>
    new GatewayError(
      'rate_limit_exceeded',
      `Too many calls at the same time for your ${scope}: limit ${limit}. Please try again in 2 s.`,
      { retryAfterSeconds: 2, rule: `${scope}.max_concurrency`, details: { limit } },
    ),
  /** Codex shows when it resets, and the operator's own words; nobody is to try again (codex-cli.md §6). */
  usageLimitReached: (state: LimitState, promoMessage: string) => {
    const until = state.resetsAtMs === null ? '' : ` It resets at ${new Date(state.resetsAtMs).toISOString()}.`;
    return new GatewayError(
      'insufficient_quota',
      `The ${state.name} of your ${state.scope} is used up.${until} ${promoMessage || 'Ask your operator for more.'}`,
      {
        rule: state.rule,
        details: limitDetails(state),
        headers: {
          'x-should-retry': 'false',
          ...(promoMessage === '' ? {} : { 'x-codex-promo-message': printable(promoMessage) }),
        },
      },
    );
  },
  noUpstream: (model: string) =>
    new GatewayError(
      'server_is_overloaded',
      `No upstream of this gateway serves the model '${model}' right now. Try again later or ask your operator.`,
      { retryAfterSeconds: 5 },
    ),
  upstreamOverloaded: (retryAfterSeconds: number, cause: unknown) =>
    new GatewayError(
      'server_is_overloaded',
      `The model provider is overloaded. Please try again in ${retryAfterSeconds} s.`,
      { retryAfterSeconds, cause },
    ),
  estimateUnavailable: (cause: unknown) =>
    new GatewayError(
      'server_is_overloaded',
      'The model provider does not count tokens, and this gateway has too much to do for an estimate. Try again in 5 s.',
      { retryAfterSeconds: 5, cause },
    ),
  /** In OpenAI's words, and the same for an id that never was as for one of another group. */
  responseNotFound: (id: string, param?: string) =>
    new GatewayError('response_not_found', `Response with id '${id}' not found.`, {
      isCodeHidden: true,
      ...(param === undefined ? {} : { param }),
    }),
  itemNotFound: (id: string) =>
    new GatewayError('item_not_found', `Item with id '${id}' not found.`, { isCodeHidden: true, param: 'input' }),
  conversationNotFound: (id: string) =>
    new GatewayError('conversation_not_found', `Conversation with id '${id}' not found.`, {
      isCodeHidden: true,
      param: 'conversation',
    }),
  previousResponseNotFound: (id: string) =>
    new GatewayError('previous_response_not_found', `Previous response with id '${id}' not found.`, {
      param: 'previous_response_id',
    }),
  encryptedContentMoved: () =>
    new GatewayError(
      'invalid_encrypted_content',
      'Only the upstream that made the encrypted_content of this session can read it, and it is not available. Try again later, or start a new session.',
      { param: 'input' },
    ),
  /** The same for one of another group as for one that was changed: it could not be opened. @param index of its item */
  sealedCompactionUnreadable: (index: number, reason: string) =>
    new GatewayError(
      'invalid_encrypted_content',
      `The compaction at input[${index}] ${reason}. Start a new session, or go on from a history without it.`,
      { param: `input[${index}].encrypted_content` },
    ),
  compactionRefused: (model: string) =>
    new GatewayError(
      'responses_compact_not_supported',
      `Compaction is switched off for the upstreams that serve the model '${model}'. Start a new session with a shorter history, or ask your operator to switch it on.`,
      { headers: { 'x-should-retry': 'false' } },
    ),
  /** Not to be tried again at once: the same model would be paid for the same failure. */
  compactionFailed: (reason: string, cause?: unknown) =>
    new GatewayError(
      'compaction_failed',
      `The conversation could not be compacted: ${reason}. Nothing has changed: the session can go on as it is.`,
      { cause: cause ?? reason, headers: { 'x-should-retry': 'false' } },
    ),
  storedIdsUnavailable: (cause: unknown) =>
    new GatewayError(
      'server_is_overloaded',
      'This gateway cannot look up stored responses right now. Please try again in 2 s.',
      { retryAfterSeconds: 2, cause },
    ),
  holderUnavailable: (cause: unknown) =>
    new GatewayError(
      'server_is_overloaded',
      'The upstream that holds this response is not available right now. Please try again in 5 s.',
      { retryAfterSeconds: 5, cause },
    ),
  gatewayOverloaded: (retryAfterSeconds: number, cause: string) =>
    new GatewayError(
      'server_is_overloaded',
      `This gateway is overloaded. Please try again in ${retryAfterSeconds} s.`,
      { retryAfterSeconds, cause },
    ),
  shuttingDown: () =>
    new GatewayError('server_is_overloaded', 'This gateway is shutting down. Send the request again.', {
      retryAfterSeconds: 1,
      headers: { connection: 'close' },
    }),
  /** Not to be tried again: whoever ended it would have to end it once more. */
  abortedByOperator: () =>
    new GatewayError(
      'aborted_by_operator',
      'An operator of this gateway has ended this request. Ask your operator before you send it again.',
      { cause: 'an operator ended the request', headers: { 'x-should-retry': 'false' } },
    ),
  upstreamFailed: (cause: unknown) =>
    new GatewayError(
      'upstream_error',
      'The model provider could not be reached or did not answer properly. Try again; if it stays, give your operator the request id.',
      { cause },
    ),
  upstreamTimeout: (cause: unknown) =>
    new GatewayError(
      'upstream_timeout',
      'The model provider did not answer in time. Try again; for long work use stream: true.',
      { cause },
    ),
  internal: (cause: unknown) =>
    new GatewayError(
      'internal_error',
      'The gateway failed on this request. Try again; if it stays, give your operator the request id.',
      { cause },
    ),
} as const;

/** A longer wait would freeze Codex, which obeys without a cap (codex-cli.md §6). */
const RETRY_AFTER_SECONDS_MAX = 30;
const NANO_USD = 1e9;

/** How a limit stands that refused a call. */
export interface LimitState {
  /** Such as `group.requests_per_minute`. */
  readonly rule: string;
  /** `key` or `group`. */
  readonly scope: string;
  readonly name: string;
  readonly unit: string;
  readonly limit: number;
  readonly used: number;
  /** Wall clock; null: never by itself. */
  readonly resetsAtMs: number | null;
}

/** Money is told in USD, times in seconds since 1970, as Codex reads them. */
function limitDetails({ unit, limit, used, resetsAtMs }: LimitState): Record<string, unknown> {
  const shown = (amount: number): number => (unit === 'nano_usd' ? amount / NANO_USD : Math.round(amount));
  return {
    limit: shown(limit),
    used: shown(used),
    ...(resetsAtMs === null ? {} : { resets_at: Math.ceil(resetsAtMs / 1000) }),
  };
}

/** A header holds no other characters. */
function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7E]+/g, '?');
}

function routeAdvice(path: string): string {
  if (/(^|\/)chat\/completions\/?$/.test(path) || /(^|\/)completions\/?$/.test(path)) {
    return 'Chat Completions is not served here: use POST /v1/responses; in Codex CLI set wire_api = "responses".';
  }
  return 'The route for model calls is POST /v1/responses; in Codex CLI set base_url to this server, with or without /v1.';
}
