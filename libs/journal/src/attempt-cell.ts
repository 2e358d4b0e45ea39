import type { RequestRecord, UpstreamAttempt } from './request-record.js';
import { roundMs, storable } from './storable.js';

/** One try of an upstream, as the database has it: what there is not is left out, as every row has one. */
export interface AttemptCell {
  /** Left out: the upstream that the row names. */
  upstream_id?: string;
  upstream_name?: string;
  status: number | null;
  problem?: string | null;
  /** Of a connection that was made for it. */
  connection?: { dns_ms: number | null; tcp_ms: number | null; tls_ms: number | null };
  sent_ms?: number;
  first_byte_ms?: number;
  duration_ms: number;
  headers?: Record<string, string>;
}

/** What a good answer tells of the provider, in as few bytes as every row can have; a bad one is kept with all its headers. */
const TELLING = ['openai-processing-ms'];
const HEADERS_MAX = 30;
const HEADER_CHARACTERS_MAX = 128;
/** Of them only the name is kept. */
const SECRET_HEADER = /cookie|auth|token$|secret|key|signature|password|credential/;
/** Codex's own state is a capability, and says nothing to people. */
const LEFT_OUT = new Set([
  'x-codex-turn-state',
  'content-security-policy',
  'report-to',
  'nel',
  'alt-svc',
  'connection',
]);

export function toAttemptCell(
  attempt: UpstreamAttempt,
  { upstreamId }: Pick<RequestRecord, 'upstreamId'>,
): AttemptCell {
  const { connection, problem, sentMs, firstByteMs } = attempt;
  const isOther = attempt.upstreamId !== upstreamId;
  // What is undefined is left out of the JSON.
  return {
    upstream_id: isOther ? attempt.upstreamId : undefined,
    upstream_name: isOther ? attempt.upstreamName : undefined,
    status: attempt.status,
    problem: problem === null ? undefined : storable(problem, 300),
    connection: connection
      ? {
          dns_ms: roundedOrNull(connection.dnsMs),
          tcp_ms: roundedOrNull(connection.tcpMs),
          tls_ms: roundedOrNull(connection.tlsMs),
        }
      : undefined,
    sent_ms: sentMs === null ? undefined : roundMs(sentMs),
    first_byte_ms: firstByteMs === null ? undefined : roundMs(firstByteMs),
    duration_ms: roundMs(attempt.durationMs),
    headers: headersOf(attempt) ?? undefined,
  };
}

function headersOf({ headers, status, problem }: UpstreamAttempt): Record<string, string> | null {
  if (headers === null) return null;
  const isGood = problem === null && status !== null && status < 400;
  const names = isGood ? TELLING : Object.keys(headers).slice(0, HEADERS_MAX);
  const kept: Record<string, string> = {};
  let isAny = false;
  for (const name of names) {
    const value = headers[name];
    if (value === undefined || LEFT_OUT.has(name)) continue;
    isAny = true;
    kept[name] = SECRET_HEADER.test(name) ? '…' : (storable(String(value), HEADER_CHARACTERS_MAX) ?? '');
  }
  return isAny ? kept : null;
}

function roundedOrNull(ms: number | null): number | null {
  return ms === null ? null : roundMs(ms);
}
