import type { IncomingHttpHeaders } from 'node:http';
import type { GatewayError } from '@app/protocol';
import type { ConnectionTimings } from './connection-timings.js';

/** What a try of an upstream came to, when it did not come to an answer. */
export interface AttemptFailure {
  /**
   * - `unreachable`: no connection; nothing was sent
   * - `broke_off`: the connection or the answer ended too early
   * - `timeout`: silence for too long
   * - `refused`: it answered, and said no
   * - `unusable`: it answered with something that is no answer
   */
  readonly kind: 'unreachable' | 'broke_off' | 'timeout' | 'refused' | 'unusable';
  /** For operators; scrubbed and short. */
  readonly problem: string;
  /** The upstream's HTTP status, when there was one. */
  readonly status: number | null;
  /** How long the upstream asked to be left alone; null: it did not. */
  readonly pauseMs: number | null;
  /** Whether it speaks against the upstream's health. */
  readonly isFault: boolean;
  /** What the client is told when there is nobody else to ask. */
  readonly error: GatewayError;
  /**
   * What the client is told when its stream has begun: code and message of `response.failed`. `toldAs`: the code that it reads,
   * where that of the log would have it ask again.
   */
  readonly event: { readonly code: string; readonly message: string; readonly toldAs?: string };
}

/** One try of an upstream, as the log tells it. Times are in milliseconds since the try began. */
export interface AttemptReport {
  readonly upstreamId: string;
  readonly upstreamName: string;
  status: number | null;
  problem: string | null;
  /** What it took to make the connection; null: one was there already. */
  connection: ConnectionTimings | null;
  /** When the request began to go out; null: it never did. */
  sentMs: number | null;
  /** When the head of the answer came. */
  firstByteMs: number | null;
  durationMs: number;
  /** Of the answer, as it came: what of it may be kept is for the log to say. */
  headers: IncomingHttpHeaders | null;
}

/** Of a try that is about to begin. */
export function beginReport({ id, name }: { readonly id: string; readonly name: string }): AttemptReport {
  return {
    upstreamId: id,
    upstreamName: name,
    status: null,
    problem: null,
    connection: null,
    sentMs: null,
    firstByteMs: null,
    durationMs: 0,
    headers: null,
  };
}
