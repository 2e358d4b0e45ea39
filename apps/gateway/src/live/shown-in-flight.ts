import { type OpenRequest, toPublicId } from '@app/contract';
import type { RequestInFlight } from './requests-in-flight.js';

/** A request in flight as operators see it. */
export function toOpenRequest(request: RequestInFlight, nowMs: number, replica: string): OpenRequest {
  const { record } = request;
  return {
    id: record.publicId,
    started_at: new Date(record.startedAtMs).toISOString(),
    age_ms: Math.round(nowMs - record.startedMonotonicMs),
    state: stateOf(request),
    key_id: record.keyId && toPublicId('key', record.keyId),
    key_name: record.keyName,
    group_id: record.groupId && toPublicId('group', record.groupId),
    group_name: record.groupName,
    model: record.model,
    upstream_id: record.upstreamId && toPublicId('upstream', record.upstreamId),
    upstream_name: record.upstreamName,
    attempts: record.attempts.length,
    route: record.route,
    kind: record.kind,
    stream: record.stream,
    response_bytes: record.responseBytes,
    session_id: record.sessionId,
    client: record.client,
    client_ip: record.clientIp,
    replica,
  };
}

function stateOf({ record, isClientGone }: RequestInFlight): OpenRequest['state'] {
  if (isClientGone) return 'draining';
  if (record.firstByteMs !== null) return 'answering';
  if (record.attempts.length > 0) return 'waiting_for_upstream';
  return record.isWaitingForTurn ? 'waiting_for_turn' : 'preparing';
}
