import { Injectable } from '@nestjs/common';
import { type OpenRequest, toPublicId } from '@app/contract';
import { type RequestRecord, storable } from '@app/journal';
import { Clock, RedisConnection } from '@app/runtime';

/** A data-plane request from its arrival to the close of its record. */
export interface RequestInFlight {
  readonly record: RequestRecord;
  /** The client has all that it will get, and the upstream is still read. */
  readonly isClientGone: boolean;
  /** Ends it before its time: the client is told, and the upstream let go. */
  abort(): void;
}

/** The data-plane requests that are open in this process. */
@Injectable()
export class RequestsInFlight {
  private readonly all = new Set<RequestInFlight>();

  constructor(
    private readonly clock: Clock,
    private readonly replicas: RedisConnection,
  ) {}

  opened(request: RequestInFlight): void {
    this.all.add(request);
  }

  closed(request: RequestInFlight): void {
    this.all.delete(request);
  }

  has(request: RequestInFlight): boolean {
    return this.all.has(request);
  }

  /** @param id of its record */
  find(id: string): RequestInFlight | undefined {
    for (const request of this.all) if (request.record.id === id) return request;
    return undefined;
  }

  /** The oldest that began after the one of an id, as operators see them. */
  list(limit: number, afterId: string | null): OpenRequest[] {
    const later = [...this.all].filter(({ record }) => afterId === null || record.id > afterId);
    later.sort(({ record: one }, { record: other }) => (one.id < other.id ? -1 : 1));
    return later.slice(0, limit).map((request) => this.show(request));
  }

  /** A request as operators see it. */
  show(request: RequestInFlight): OpenRequest {
    const { record } = request;
    return {
      id: record.publicId,
      started_at: new Date(record.startedAtMs).toISOString(),
      age_ms: Math.round(this.clock.monotonic() - record.startedMonotonicMs),
      phase: phaseOf(request),
      key_id: record.keyId && toPublicId('key', record.keyId),
      key_name: record.keyName,
      group_id: record.groupId && toPublicId('group', record.groupId),
      group_name: record.groupName,
      model: storable(record.model, 256),
      upstream_id: record.upstreamId && toPublicId('upstream', record.upstreamId),
      upstream_name: record.upstreamName,
      attempts: record.attempts.length,
      route: storable(record.route, 256) ?? '',
      kind: record.kind,
      stream: record.stream,
      response_bytes: record.responseBytes,
      session_id: storable(record.sessionId, 128),
      client: storable(record.client, 128),
      client_ip: record.clientIp,
      replica: this.replicas.replicaId,
    };
  }
}

function phaseOf({ record, isClientGone }: RequestInFlight): OpenRequest['phase'] {
  if (isClientGone) return 'draining';
  if (record.firstByteMs !== null) return 'answering';
  if (record.attempts.length > 0) return 'waiting_for_upstream';
  return record.isWaitingForTurn ? 'waiting_for_turn' : 'preparing';
}
