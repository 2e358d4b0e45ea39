import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { BodyLog } from '@app/bodies';
import { type RequestLog, RequestRecord } from '@app/journal';
import { type Clock, pooledMemoryOf } from '@app/runtime';
import type { GatewayMetrics } from '../health/gateway-metrics.js';
import { storedHeaders } from '../responses/passed-headers.js';
import { type ConnectionWatcher, unwatchConnection, watchConnection } from './connection-watch.js';
import { type GatewayRequest, isControlPlane, pathOf } from './gateway-request.js';
import { newRequestId } from './request-id.js';

export interface JournalHookDependencies {
  log: RequestLog;
  metrics: GatewayMetrics;
  clock: Clock;
  bodies: BodyLog;
}

/**
 * Opens a record for every data-plane request and logs it exactly once, whatever becomes of the request. It hangs on the
 * response's `close` and on the connection's: Fastify's onResponse hook is not called when either side breaks off mid-stream,
 * and a response that waits behind others of a pipeline is not closed with their connection.
 */
export function journalRequests(fastify: FastifyInstance, dependencies: JournalHookDependencies): void {
  fastify.decorateRequest('record', null);
  fastify.decorateRequest('caller', null);
  fastify.decorateRequest('capture', null);
  fastify.addHook('onRequest', (request, reply, done) => {
    if (isControlPlane(request)) {
      void reply.header('x-request-id', newRequestId());
      return done();
    }
    const record = openRecord(request, dependencies.clock);
    record.keeper = dependencies.log.journal;
    (request as GatewayRequest).record = record;
    void reply.header('x-request-id', record.publicId);
    const open = new OpenRequest(request as GatewayRequest, reply, dependencies);
    reply.raw.once('close', () => open.onResponseClosed());
    done();
  });
}

/** A request from its arrival to the close of its record. */
class OpenRequest implements ConnectionWatcher {
  private isResponseClosed = false;

  constructor(
    private readonly request: GatewayRequest,
    private readonly reply: FastifyReply,
    private readonly dependencies: JournalHookDependencies,
  ) {
    dependencies.metrics.requestStarted();
    watchConnection(request.raw.socket, this);
  }

  onClientSideClosed(): void {
    this.request.record.answering?.onClientSideClosed();
  }

  onConnectionClosed(): void {
    // Whoever has not begun to answer sees by this that nobody waits.
    this.reply.raw.destroy();
    this.onResponseClosed();
  }

  onResponseClosed(): void {
    if (this.isResponseClosed) return;
    this.isResponseClosed = true;
    const { record, raw } = this.request;
    unwatchConnection(raw.socket, this);
    noteEnd(record, this.reply);
    // An answer that its group wants to be read to its end goes on without the client; some rows wait for a look-up.
    const ended = record.answering?.onResponseClosed() ?? record.settling;
    // The record waits for its batch, for hours while PostgreSQL is away: it must not hold the request's body meanwhile.
    record.answering = record.settling = null;
    if (ended) void ended.then(() => this.close());
    else this.close();
  }

  private close(): void {
    const { clock, log, metrics, bodies } = this.dependencies;
    const { record, capture, body, headers } = this.request;
    record.close(clock.monotonic());
    metrics.requestEnded(record);
    log.add(record);
    if (capture) bodies.end(capture, record, { body, headers: storedHeaders(headers) });
    releaseBody(this.request);
  }
}

function openRecord(request: FastifyRequest, clock: Clock): RequestRecord {
  const { headers } = request;
  const record = new RequestRecord(clock.now(), clock.monotonic(), `${request.method} ${pathOf(request.url)}`);
  // Node adds the interface to a link-local address (fe80::1%eth0), which no database takes.
  record.clientIp = request.ip.split('%', 1)[0] ?? null;
  // "codex_exec/0.169.0 (Debian …) …": the first word says which client it is.
  record.client = headers['user-agent']?.split(' ', 1)[0] ?? null;
  record.sessionId = single(headers['session-id'] ?? headers.session_id);
  record.clientRequestId = single(headers['x-client-request-id']);
  record.requestBytes = Number(headers['content-length'] ?? 0) || 0;
  return record;
}

/** Nobody reads the body of a closed request; sockets that still do hold its memory themselves. */
function releaseBody(request: GatewayRequest): void {
  const { body } = request;
  request.body = null;
  if (Buffer.isBuffer(body)) pooledMemoryOf(body)?.release();
}

function noteEnd(record: RequestRecord, reply: FastifyReply): void {
  const { headersSent, writableFinished, statusCode } = reply.raw;
  record.status = headersSent ? statusCode : 499;
  if (!writableFinished && !record.isComplete) record.cut ??= 'client';
}

function single(value: string | string[] | undefined): string | null {
  return (Array.isArray(value) ? value[0] : value) ?? null;
}
