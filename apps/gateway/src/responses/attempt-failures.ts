import type { IncomingHttpHeaders } from 'node:http';

import { errors, type GatewayError, type ResponseSummary, type TerminalEvent } from '@app/protocol';
import { scrub } from '@app/runtime';
import type { AttemptFailure, TransportError } from '@app/upstreams';

/** A longer wait would freeze Codex, which obeys without a cap (codex-cli.md §6). */
const RETRY_AFTER_SECONDS_MAX = 30;
const RETRY_AFTER_SECONDS_DEFAULT = 5;
const LOGGED_CHARACTERS_MAX = 300;

const CLIENT_MISTAKES = new Set([400, 404, 409, 413, 415, 422]);
/** Failures that every upstream would answer with: they are about the request. */
const REQUEST_CODES = new Set([
  'invalid_prompt',
  'invalid_request',
  'invalid_request_error',
  'context_length_exceeded',
  'content_policy_violation',
  'cyber_policy',
  'bio_policy',
  'misalignment_policy_violation',
  'model_not_found',
  'previous_response_not_found',
  'invalid_encrypted_content',
]);

const BROKE_OFF = {
  code: 'upstream_disconnected',
  message: 'The model provider broke off the answer. Try again.',
} as const;
const TIMED_OUT = {
  code: 'upstream_idle_timeout',
  message: 'The model provider fell silent in the middle of the answer. Try again.',
} as const;

/** Whether a status says that the request itself was wrong, so that the upstream's own words are for the client. */
export function isClientMistake(status: number): boolean {
  return CLIENT_MISTAKES.has(status);
}

/** An upstream that answered with an error of its own or of its account. */
export function refused(status: number, headers: IncomingHttpHeaders, body: Buffer, isJson: boolean): AttemptFailure {
  const said = isJson ? body.toString('utf8') : (headers['content-type'] ?? 'no content-type');
  const problem = scrub(`the upstream answered ${status}: ${said}`.slice(0, LOGGED_CHARACTERS_MAX));
  const pauseMs = pauseMsOf(status, headers);
  return refusal(status, pauseMs, problem);
}

/** A refusal of the request that came when the client's stream had been opened to keep its connection: told by an event. */
export function refusedLate(status: number, code: string | null, message: string | null): AttemptFailure {
  const problem = `the upstream answered ${status} after the stream was opened`;
  const event = { code: code ?? 'invalid_request', message: message ?? `The model provider refused with ${status}.` };
  return {
    kind: 'refused',
    problem,
    status,
    pauseMs: null,
    isFault: false,
    error: errors.upstreamFailed(problem),
    event,
  };
}

/** An error object that came with status 200: as if it had come with the status that belongs to its code. */
export function refusedWith200(summary: ResponseSummary, headers: IncomingHttpHeaders): AttemptFailure {
  const problem = scrub(
    `a 200 that holds an error: ${summary.errorCode ?? ''} ${summary.errorMessage ?? ''}`.slice(
      0,
      LOGGED_CHARACTERS_MAX,
    ),
  );
  return refusedByCode(summary.errorCode, headers, problem);
}

/** A stream whose only word was that it failed; null when any other upstream would say the same. */
export function failedAtOnce(terminal: TerminalEvent, headers: IncomingHttpHeaders): AttemptFailure | null {
  const { errorCode, errorMessage } = terminal;
  if (errorCode !== null && REQUEST_CODES.has(errorCode)) return null;
  const problem = scrub(`the stream failed at once: ${errorCode ?? ''} ${errorMessage ?? ''}`);
  return refusedByCode(errorCode, headers, problem.slice(0, LOGGED_CHARACTERS_MAX));
}

/** An upstream that answered with what is no answer: HTML, a compressed stream, nothing. Never shown to the client. */
export function unusable(status: number | null, problem: string): AttemptFailure {
  const forLog = scrub(problem.slice(0, LOGGED_CHARACTERS_MAX));
  const error = errors.upstreamFailed(forLog);
  return { kind: 'unusable', problem: forLog, status, pauseMs: null, isFault: true, error, event: BROKE_OFF };
}

/** A stream that ended properly, but without its terminal event. */
export function endedEarly(lastEvent: string | null): AttemptFailure {
  const problem = `the stream ended without a terminal event, behind ${lastEvent ?? 'nothing'}`;
  return {
    kind: 'broke_off',
    problem,
    status: null,
    pauseMs: null,
    isFault: true,
    error: errors.upstreamFailed(problem),
    event: BROKE_OFF,
  };
}

export function eventTooLarge(limitBytes: number): AttemptFailure {
  const problem = `an event of more than ${limitBytes} bytes`;
  const message = 'The model provider sent an event that is too large to be passed on. Ask for less at once.';
  const event = { code: 'event_too_large', message };
  return {
    kind: 'unusable',
    problem,
    status: null,
    pauseMs: null,
    isFault: true,
    error: errors.upstreamFailed(problem),
    event,
  };
}

/** A whole answer that took longer than its upstream may take. */
export function tookTooLong(limitMs: number): AttemptFailure {
  const problem = `the answer took more than ${limitMs} ms`;
  const event = { code: 'upstream_timeout', message: 'The model provider took too long. Try again, or ask for less.' };
  return {
    kind: 'timeout',
    problem,
    status: null,
    pauseMs: null,
    isFault: true,
    error: errors.upstreamTimeout(problem),
    event,
  };
}

/** An upstream that could not be reached, broke off or fell silent. */
export function transportFailure(error: TransportError, wasSent: boolean): AttemptFailure {
  const problem = scrub(`${error.code ?? error.name}: ${error.message}`.slice(0, LOGGED_CHARACTERS_MAX));
  if (error.code === 'UND_ERR_HEADERS_TIMEOUT' || error.code === 'UND_ERR_BODY_TIMEOUT') {
    return {
      kind: 'timeout',
      problem,
      status: null,
      pauseMs: null,
      isFault: true,
      error: errors.upstreamTimeout(error),
      event: TIMED_OUT,
    };
  }
  const kind = wasSent ? 'broke_off' : 'unreachable';
  return {
    kind,
    problem,
    status: null,
    pauseMs: null,
    isFault: true,
    error: errors.upstreamFailed(error),
    event: BROKE_OFF,
  };
}

/** The gateway ends an answer itself: this process is going down, or an operator wants it to end. */
export function cutOff(by: 'shutdown' | 'operator'): AttemptFailure {
  const isShutdown = by === 'shutdown';
  const error = isShutdown ? errors.shuttingDown() : errors.abortedByOperator();
  // Of the codes of a failed response, the one upon which neither Codex nor an SDK asks again (codex-cli.md §6).
  const event = isShutdown
    ? { code: 'server_shutdown', message: error.message }
    : { code: error.code, message: error.message, toldAs: 'invalid_prompt' };
  return {
    kind: 'broke_off',
    problem: isShutdown ? 'the gateway was shut down' : 'an operator ended the request',
    status: null,
    pauseMs: null,
    isFault: false,
    error,
    event,
  };
}

/** A client mistake that an upstream told in another shape than OpenAI's, such as FastAPI's `{detail}`, in the right one. */
export function wrappedRefusal(status: number, headers: IncomingHttpHeaders, body: Buffer, isJson: boolean): Buffer {
  const said = isJson ? `: ${body.toString('utf8')}` : ` (${headers['content-type'] ?? 'no content-type'})`;
  const message = scrub(`The model provider refused the request with ${status}${said}`).slice(0, LOGGED_CHARACTERS_MAX);
  return Buffer.from(JSON.stringify({ error: { message, type: 'invalid_request_error', param: null, code: null } }));
}

/** What the client is told when every upstream has failed: the clearest word, and the longest pause that was asked for. */
export function finalError(failures: readonly AttemptFailure[], last: AttemptFailure): GatewayError {
  const clearest = failures.findLast(({ error }) => error.options.retryAfterSeconds !== undefined) ?? last;
  const pauseMs = Math.max(...failures.map((failure) => failure.pauseMs ?? 0));
  if (clearest.status === null || clearest.pauseMs === null || pauseMs <= clearest.pauseMs) return clearest.error;
  return refusalError(clearest.status, pauseMs, clearest.problem);
}

function refusal(status: number, pauseMs: number | null, problem: string): AttemptFailure {
  const error = refusalError(status, pauseMs, problem);
  const event = { code: error.code, message: error.message };
  // Too many requests is no fault of the upstream's.
  return { kind: 'refused', problem, status, pauseMs, isFault: status !== 429, error, event };
}

function refusedByCode(code: string | null, headers: IncomingHttpHeaders, problem: string): AttemptFailure {
  const status = statusOfCode(code);
  const pauseMs = pauseMsOf(status, headers);
  return refusal(status, pauseMs, problem);
}

/** The status that an error's code would have come with. */
function statusOfCode(code: string | null): number {
  switch (code) {
    case 'rate_limit_exceeded':
    case 'slow_down':
    case 'insufficient_quota':
    case 'usage_limit_reached':
      return 429;
    case 'server_is_overloaded':
    case 'service_unavailable':
      return 503;
    default:
      return 500;
  }
}

function refusalError(status: number, pauseMs: number | null, problem: string): GatewayError {
  const wait = boundedSeconds(pauseMs);
  if (status === 429) return errors.upstreamRateLimited(wait, problem);
  if (status === 503 || status === 529) return errors.upstreamOverloaded(wait, problem);
  if (status === 408 || status === 504) return errors.upstreamTimeout(problem);
  return errors.upstreamFailed(problem);
}

/** Seconds or a date (RFC 9110 §10.2.3); too many requests without a word on how long mean a short pause. */
function pauseMsOf(status: number, headers: IncomingHttpHeaders): number | null {
  const header = headers['retry-after'];
  const ms = headers['retry-after-ms'];
  if (typeof ms === 'string' && /^\d+(\.\d+)?$/.test(ms)) return Number(ms);
  if (header !== undefined) {
    const pauseMs = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
    if (Number.isFinite(pauseMs) && pauseMs >= 0) return pauseMs;
  }
  return status === 429 ? RETRY_AFTER_SECONDS_DEFAULT * 1000 : null;
}

/** Within bounds that a client can live with. */
function boundedSeconds(pauseMs: number | null): number {
  if (pauseMs === null) return RETRY_AFTER_SECONDS_DEFAULT;
  return Math.min(RETRY_AFTER_SECONDS_MAX, Math.max(1, Math.ceil(pauseMs / 1000)));
}
