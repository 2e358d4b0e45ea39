import type { RequestRecord } from './request-record.js';

/** How a request ended, in one word. */
export type Outcome =
  | 'ok'
  | 'client_error'
  | 'unauthenticated'
  | 'forbidden'
  | 'limited'
  | 'upstream_error'
  | 'gateway_error'
  | 'client_left'
  | 'upstream_broke_off'
  | 'timeout'
  | 'gateway_crash'
  | 'aborted';

/** Reads the outcome off a closed record. A client that hangs up after the terminal event has had its answer (Codex always does). */
export function outcomeOf(record: RequestRecord): Outcome {
  if (record.cut === 'operator') return 'aborted';
  // Read to its end for the sake of the account: the client has not had it.
  if (record.clientLeftAction !== null) return 'client_left';
  if (record.isComplete) return record.responseStatus === 'failed' ? 'upstream_error' : 'ok';
  if (record.cut === 'client') return 'client_left';
  if (record.cut === 'timeout') return 'timeout';
  if (record.cut === 'shutdown') return 'gateway_error';
  if (record.cut === 'upstream' && record.status < 400) return 'upstream_broke_off';
  switch (record.status) {
    case 401:
      return 'unauthenticated';
    case 403:
      return 'forbidden';
    case 429:
      // Too many without a key: what is limited is a key or its group.
      if (record.keyId === null) return 'unauthenticated';
      // Tollgate's own limits never reach an upstream.
      return record.attempts.length > 0 ? 'upstream_error' : 'limited';
    case 500:
      return 'gateway_error';
    case 504:
      return 'timeout';
    default:
      // Turned away before its kind was known: the gateway has too much to do, or is about to end.
      if (record.status >= 500) return record.kind === 'other' ? 'gateway_error' : 'upstream_error';
      return record.status >= 400 ? 'client_error' : 'ok';
  }
}
