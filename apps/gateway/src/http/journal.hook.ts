import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { BodyLog } from '@app/bodies';
import { onBehalfOf } from '@app/database';
import { type Answering, type RequestLog, RequestRecord } from '@app/journal';
import { errors } from '@app/protocol';
import { type Clock, pooledMemoryOf } from '@app/runtime';
import type { GatewayMetrics } from '../health/gateway-metrics.js';
import type { RequestInFlight, RequestsInFlight } from '../live/requests-in-flight.js';
import { storedHeaders } from '../responses/passed-headers.js';
import { type ConnectionWatcher, unwatchConnection, watchConnection } from './connection-watch.js';
import { type GatewayRequest, isControlPlane, pathOf } from './gateway-request.js';
import { newRequestId } from './request-id.js';

export interface JournalHookDependencies {
  log: RequestLog;
  metrics: GatewayMetrics;
  inFlight: RequestsInFlight;
  clock: Clock;
  bodies: BodyLog;
}

/** How long the client of an aborted request may take to read the rest. */
const LAST_WORD_MS = 1_000;

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
      const requestId = newRequestId();
      void reply.header('x-request-id', requestId);
      return onBehalfOf({ ip: addressOf(request), requestId }, done);
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
class OpenRequest implements ConnectionWatcher, RequestInFlight {
  private isResponseClosed = false;
  /** Whoever goes on without the client. */
  private drain: Answering | null = null;

  constructor(
    private readonly request: GatewayRequest,
    private readonly reply: FastifyReply,
    private readonly dependencies: JournalHookDependencies,
  ) {
    dependencies.metrics.requestStarted();
    dependencies.inFlight.opened(this);
    watchConnection(request.raw.socket, this);
  }

  get record(): RequestRecord {
    return this.request.record;
  }

  get isClientGone(): boolean {
    return this.isResponseClosed;
  }

  abort(): void {
    const answering = this.record.answering ?? this.drain;
    if (!answering?.cutOff('operator')) this.endUnanswered();
    // A client that does not read holds it up no longer.
    setTimeout(() => {
      if (!this.isResponseClosed) this.reply.raw.destroy();
    }, LAST_WORD_MS).unref();
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
    const { answering } = record;
    const ended = answering?.onResponseClosed() ?? record.settling;
    // The record waits for its batch, for hours while PostgreSQL is away: it must not hold the request's body meanwhile.
    record.answering = record.settling = null;
    if (!ended) return this.close();
    this.drain = answering;
    void ended.then(() => this.close());
  }

  /** Nobody answers it yet, or the answer is whole and waits for its client. */
  private endUnanswered(): void {
    const { record, reply, isResponseClosed } = this;
    if (isResponseClosed) return;
    if (reply.raw.headersSent) return void reply.raw.destroy();
    record.cut ??= 'operator';
    void reply.send(errors.abortedByOperator());
  }

  private close(): void {
    const { clock, log, metrics, bodies, inFlight } = this.dependencies;
    const { record, capture, body, headers } = this.request;
    record.close(clock.monotonic());
    metrics.requestEnded(record);
    inFlight.closed(this);
    log.add(record);
    if (capture) bodies.end(capture, record, { body, headers: storedHeaders(headers) });
    releaseBody(this.request);
  }
}

function openRecord(request: FastifyRequest, clock: Clock): RequestRecord {
  const { headers } = request;
  const record = new RequestRecord(clock.now(), clock.monotonic(), `${request.method} ${pathOf(request.url)}`);
  record.clientIp = addressOf(request);
  // "codex_exec/0.169.0 (Debian …) …": the first word says which client it is.
  record.client = headers['user-agent']?.split(' ', 1)[0] ?? null;
  record.sessionId = single(headers['session-id'] ?? headers.session_id);
  record.clientRequestId = single(headers['x-client-request-id']);
  record.requestBytes = Number(headers['content-length'] ?? 0) || 0;
  return record;
}

/** Node adds the interface to a link-local address (fe80::1%eth0), which no database takes. */
function addressOf({ ip }: FastifyRequest): string | null {
  return ip.split('%', 1)[0] ?? null;
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
