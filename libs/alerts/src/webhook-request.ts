import { scrub } from '@app/runtime';
import { AddressDeniedError, addressRefusal, type AddressPolicy, makeUpstreamPool } from '@app/upstreams';

/** How one attempt went. */
export interface WebhookAnswer {
  readonly status: number | null;
  /** One line on what went wrong; null: it was delivered. */
  readonly problem: string | null;
  /** The beginning of what was answered, scrubbed. */
  readonly answer: string | null;
}

export interface WebhookRequest {
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body: string;
  readonly policy: AddressPolicy;
  /** Ends the attempt early. */
  readonly signal: AbortSignal;
}

const TIMEOUT_MS = 10_000;
const CONNECT_TIMEOUT_MS = 5_000;
const ANSWER_BYTES_MAX = 1_024;
const ANSWER_CHARACTERS_MAX = 200;
const NO_URL = 'must be an http(s) URL without user, fragment, white space or backslash';

/** What is wrong with a webhook's URL that somebody enters; null when nothing is. The rules are those of upstreams. */
export async function webhookUrlProblem(text: string, policy: AddressPolicy): Promise<string | null> {
  // The URL parser drops some of these and takes others for slashes: the host would not be the one that people read.
  if (/[\s\p{Cc}\\]/u.test(text) || !URL.canParse(text)) return NO_URL;
  const url = new URL(text);
  if (!/^https?:$/.test(url.protocol) || url.username || url.password || url.hash) return NO_URL;
  return addressRefusal(url, policy);
}

/**
 * Posts once. The address is checked as those of upstreams are, and what was checked is what is dialled; redirects are not
 * followed; of the answer only the beginning is read.
 *
 * @throws Error only when `signal` ended it
 */
export async function postWebhook({ url, headers, body, policy, signal }: WebhookRequest): Promise<WebhookAnswer> {
  const { origin, pathname, search } = new URL(url);
  const pool = makeUpstreamPool({
    origin,
    policy,
    isDemo: false,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    headersTimeoutMs: TIMEOUT_MS,
    idleTimeoutMs: TIMEOUT_MS,
    httpProxy: null,
  });
  try {
    const { statusCode, body: answer } = await pool.request({
      method: 'POST',
      path: pathname + search,
      headers,
      body,
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    return { status: statusCode, problem: problemOf(statusCode), answer: await beginningOf(answer) };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof AddressDeniedError) return { status: null, problem: error.message, answer: null };
    const { code, name } = error as { code?: string; name?: string };
    const reason = name === 'TimeoutError' ? `no answer within ${TIMEOUT_MS / 1_000} s` : (code ?? name ?? 'error');
    return { status: null, problem: `the webhook could not be reached (${reason})`, answer: null };
  } finally {
    await pool.destroy();
  }
}

function problemOf(status: number): string | null {
  if (status >= 200 && status < 300) return null;
  if (status >= 300 && status < 400) return `it answered ${status}: redirects are not followed`;
  return `it answered ${status}`;
}

/** The status has decided already: an answer that breaks off is told as far as it came. */
async function beginningOf(answer: AsyncIterable<Buffer> & { destroy(): unknown }): Promise<string | null> {
  let bytes = Buffer.alloc(0);
  try {
    for await (const chunk of answer) {
      bytes = Buffer.concat([bytes, chunk]);
      if (bytes.length >= ANSWER_BYTES_MAX) break;
    }
  } catch {
    // as far as it came
  }
  answer.destroy();
  const text = bytes
    .subarray(0, ANSWER_BYTES_MAX)
    .toString('utf8')
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .trim();
  return text === '' ? null : scrub(text).slice(0, ANSWER_CHARACTERS_MAX).toWellFormed();
}
