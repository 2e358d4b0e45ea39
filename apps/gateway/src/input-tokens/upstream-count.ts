import type { IncomingHttpHeaders } from 'node:http';
import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import type { RequestRecord } from '@app/journal';
import { type ResponseCall, rewriteCall } from '@app/protocol';
import { Clock, scrub } from '@app/runtime';
import { beginReport, type Candidate } from '@app/upstreams';
import { forwardedHeaders } from '../responses/passed-headers.js';
import { isClientMistake } from '../responses/attempt-failures.js';

const ROUTE = '/responses/input_tokens';
const ANSWER_TIMEOUT_MS = 15_000;
/** A count is some hundred bytes. */
const ANSWER_BYTES_MAX = 256 * 1024;
/** What says that an upstream does not have the route at all. */
const MISSING = new Set([404, 405, 501]);
const MISSING_FOR_MS = 10 * 60_000;
const UPSTREAMS_MAX = 1_000;

/** An answer that is passed on as it is. */
export interface UpstreamAnswer {
  status: number;
  body: Buffer;
}

/** Asks upstreams for their own count of input tokens, and remembers which of them cannot. */
@Injectable()
export class UpstreamCount {
  private readonly without = new LRUCache<string, true>({ max: UPSTREAMS_MAX, ttl: MISSING_FOR_MS });

  constructor(private readonly clock: Clock) {}

  /**
   * The upstream's count, or its refusal of the request; null when there is none to be had, for which the record then holds
   * the reason.
   *
   * @throws nothing
   */
  async ask(
    { upstream, upstreamModel }: Candidate,
    call: ResponseCall,
    headers: IncomingHttpHeaders,
    record: RequestRecord,
  ): Promise<UpstreamAnswer | null> {
    if (this.without.has(upstream.id)) return null;
    const attempt = beginReport(upstream);
    record.attempts = [attempt];
    const startedAtMs = this.clock.monotonic();
    record.upstreamId = upstream.id;
    record.upstreamName = upstream.name;
    record.noteAsked(null, null);
    try {
      const passed = forwardedHeaders(headers, upstream, { isStream: false, hasBody: true });
      const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
      const answer = await upstream.pool.request({
        method: 'POST',
        path: upstream.path + ROUTE,
        headers: upstream.authorization ? [...passed, 'authorization', upstream.authorization] : passed,
        body: rewriteCall(call, {
          model: upstreamModel,
          storeFalse: false,
          stream: null,
          strip: [],
          overrides: [],
        }),
        signal,
      });
      const { statusCode: status } = answer;
      record.upstreamStatus = status;
      attempt.status = status;
      attempt.firstByteMs = this.clock.monotonic() - startedAtMs;
      attempt.headers = answer.headers;
      const body = await readWhole(answer.body);
      const said = parsed(body);
      if (isCount(status, said) || isRefusal(status, said)) return { status, body };
      if (MISSING.has(status)) this.without.set(upstream.id, true);
      record.errorMessage = `estimated: the upstream answered ${status}`;
    } catch (error) {
      const { code, name, message } = error as Error & { code?: string };
      attempt.problem = scrub(`${code ?? name}: ${message}`);
      record.errorMessage = `estimated: ${attempt.problem}`;
    } finally {
      attempt.durationMs = this.clock.monotonic() - startedAtMs;
    }
    return null;
  }
}

async function readWhole(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) throw new Error(`an answer of more than ${ANSWER_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

interface Said {
  input_tokens?: unknown;
  error?: { message?: unknown; param?: unknown } | null;
}

function parsed(body: Buffer): Said | null {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return typeof value === 'object' ? value : null;
  } catch {
    return null;
  }
}

function isCount(status: number, said: Said | null): boolean {
  return status === 200 && typeof said?.input_tokens === 'number';
}

/** A mistake of the client, told in OpenAI's shape. A 404 that names no parameter is about the route. */
function isRefusal(status: number, said: Said | null): boolean {
  if (!isClientMistake(status) || typeof said?.error?.message !== 'string') return false;
  return status !== 404 || typeof said.error.param === 'string';
}
