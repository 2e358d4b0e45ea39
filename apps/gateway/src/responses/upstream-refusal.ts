import type { IncomingHttpHeaders } from 'node:http';
import { errors, type GatewayError } from '@app/protocol';
import { scrub } from '../http/json-logger.js';

/** A longer wait would freeze Codex, which obeys without a cap (codex-cli.md §6). */
const RETRY_AFTER_SECONDS_MAX = 30;
const RETRY_AFTER_SECONDS_DEFAULT = 5;
const LOGGED_CHARACTERS_MAX = 300;

const CLIENT_MISTAKES = new Set([400, 404, 409, 413, 415, 422]);

/** Whether a status says that the request itself was wrong, so that the upstream's own words are for the client. */
export function isClientMistake(status: number): boolean {
  return CLIENT_MISTAKES.has(status);
}

/** What the client and the log are told of an upstream that answered with an error of its own or of its account. */
export function upstreamRefusal(
  status: number,
  headers: IncomingHttpHeaders,
  body: Buffer,
  isJson: boolean,
): { error: GatewayError; forLog: string } {
  const said = isJson ? body.toString('utf8') : (headers['content-type'] ?? 'no content-type');
  const forLog = scrub(`the upstream answered ${status}: ${said}`.slice(0, LOGGED_CHARACTERS_MAX));
  const wait = retryAfterSeconds(headers['retry-after']);
  if (status === 429) return { error: errors.upstreamRateLimited(wait, forLog), forLog };
  if (status === 503 || status === 529) return { error: errors.upstreamOverloaded(wait, forLog), forLog };
  if (status === 408 || status === 504) return { error: errors.upstreamTimeout(forLog), forLog };
  return { error: errors.upstreamFailed(forLog), forLog };
}

/** A client mistake that an upstream told in another shape than OpenAI's, such as FastAPI's `{detail}`, in the right one. */
export function wrappedRefusal(status: number, headers: IncomingHttpHeaders, body: Buffer, isJson: boolean): Buffer {
  const said = isJson ? `: ${body.toString('utf8')}` : ` (${headers['content-type'] ?? 'no content-type'})`;
  const message = scrub(`The model provider refused the request with ${status}${said}`).slice(0, LOGGED_CHARACTERS_MAX);
  return Buffer.from(JSON.stringify({ error: { message, type: 'invalid_request_error', param: null, code: null } }));
}

/** Whether an upstream was too slow, with its headers or in the middle of its answer. */
export function isTimeout({ code }: { code?: string }): boolean {
  return code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT';
}

/** What the client is told of an upstream that could not be reached or broke off before its answer began. */
export function upstreamFailure(error: Error & { code?: string }): GatewayError {
  return isTimeout(error) ? errors.upstreamTimeout(error) : errors.upstreamFailed(error);
}

/** Seconds or a date (RFC 9110 §10.2.3), within bounds that a client can live with. */
function retryAfterSeconds(header: string | undefined): number {
  if (header === undefined) return RETRY_AFTER_SECONDS_DEFAULT;
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  if (!Number.isFinite(seconds)) return RETRY_AFTER_SECONDS_DEFAULT;
  return Math.min(RETRY_AFTER_SECONDS_MAX, Math.max(1, Math.ceil(seconds)));
}
