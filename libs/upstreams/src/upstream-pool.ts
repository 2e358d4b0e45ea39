import { buildConnector, Client, Pool } from 'undici';
import type { Socket } from 'node:net';
import { holdWhileWriting } from '@app/runtime';
import { AddressDeniedError, type AddressPolicy } from './address-policy.js';
import { hostOf, serviceOf } from './base-url.js';
import { type ConnectionTimings, timingsOf, watchConnecting } from './connection-timings.js';

const CONNECT_TIMEOUT_MS = 5_000;
/** Reasoning may take long before the first byte; Codex itself waits for ever (codex-cli.md §3). */
const HEADERS_TIMEOUT_MS = 600_000;
/** Longest silence inside an answer. */
const IDLE_TIMEOUT_MS = 300_000;
const KEEP_ALIVE_MS = 30_000;
/** From then on TCP asks whether the other side is still there: a peer that vanished sends no FIN. */
const TCP_KEEP_ALIVE_MS = 30_000;

export interface UpstreamPoolOptions {
  /** Scheme, host and port of the upstream. */
  readonly origin: string;
  readonly policy: AddressPolicy;
  /** The bundled simulator, which may be on loopback. */
  readonly isDemo: boolean;
  /** null: what suits a model provider; so with the other two. */
  readonly connectTimeoutMs: number | null;
  readonly headersTimeoutMs: number | null;
  readonly idleTimeoutMs: number | null;
  /** The http(s) proxy through which the upstream is reached by CONNECT, with its credentials if any; null: directly. */
  readonly httpProxy: string | null;
}

/** The connections to one upstream, and how long the newest took to make. */
export class UpstreamPool extends Pool {
  private newest: ConnectionTimings | null = null;

  noteConnected(timings: ConnectionTimings): void {
    this.newest = timings;
  }

  /** Of a connection that no request has gone out on before; told once, to whoever has waited for one. */
  takeNewest(): ConnectionTimings | null {
    const timings = this.newest;
    this.newest = null;
    return timings;
  }
}

/**
 * The connections to one upstream. Each is checked against the address policy before it is made; one that is denied fails
 * with `ERR_ADDRESS_DENIED`, as if the upstream could not be reached. Redirects are not followed.
 */
export function makeUpstreamPool(options: UpstreamPoolOptions): UpstreamPool {
  const { origin, isDemo, httpProxy } = options;
  const policy = isDemo ? options.policy.forSimulator() : options.policy;
  const timeoutMs = options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS;
  const connect =
    httpProxy === null
      ? directConnector(policy, new URL(origin), timeoutMs)
      : tunnelConnector(policy, new URL(origin), new URL(httpProxy), timeoutMs);
  const pool = new UpstreamPool(origin, {
    connect: (target, callback) => {
      const begunMs = performance.now();
      connect(target, (...[error, socket]) => {
        if (error) return callback(error, null);
        holdWhileWriting(socket);
        pool.noteConnected(timingsOf(socket, begunMs, performance.now()));
        return callback(null, socket);
      });
    },
    headersTimeout: options.headersTimeoutMs ?? HEADERS_TIMEOUT_MS,
    bodyTimeout: options.idleTimeoutMs ?? IDLE_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // An answer that nobody asked for closes the connection, so it can never be taken for that of the next request.
    pipelining: 1,
  });
  return pool;
}

function directConnector(policy: AddressPolicy, target: URL, timeoutMs: number): buildConnector.connector {
  const service = serviceOf(target);
  const connect = buildConnector({
    lookup: policy.lookup(service),
    timeout: timeoutMs,
    keepAliveInitialDelay: TCP_KEEP_ALIVE_MS,
  });
  return (options, callback) => {
    // Node asks `lookup` for names only.
    const refusal = policy.refusalOfHost(service, options.hostname);
    if (refusal === null) watchConnecting(connect(options, callback) as unknown as Socket);
    else process.nextTick(callback, denied(options.hostname, refusal), null);
  };
}

/**
 * Connects through an HTTP proxy. The proxy's address is checked as an upstream's is. The target's name is resolved by the
 * proxy: what it resolves to here is checked, too, but a name that only the proxy knows has to be taken as it is.
 */
function tunnelConnector(policy: AddressPolicy, target: URL, proxy: URL, timeoutMs: number): buildConnector.connector {
  const connectProxy = directConnector(policy, proxy, timeoutMs);
  const startTls = buildConnector({ timeout: timeoutMs });
  const headers = proxy.username === '' ? {} : { 'proxy-authorization': basicAuthorization(proxy) };
  const openTunnel = async (): Promise<Socket> => {
    const service = serviceOf(target);
    const host = hostOf(target);
    const refusal = await policy.refusal(service, host, timeoutMs);
    // Plain http is for listed addresses only, and this is not known to be one.
    if (refusal !== null && (refusal !== 'unresolved' || !service.isTls)) throw denied(host, refusal);
    const authority = `${target.hostname}:${service.port}`;
    // One for each tunnel: the connection goes over to the tunnel, nothing else stays.
    const client = new Client(proxy.origin, { connect: connectProxy, headersTimeout: timeoutMs });
    try {
      const { statusCode, socket } = await client.connect({
        path: authority,
        headers: { ...headers, host: authority },
      });
      if (statusCode === 200) return socket as Socket;
      socket.on('error', () => undefined).destroy();
      throw new ProxyRefusedError(`the proxy answered ${statusCode}`);
    } finally {
      void client.destroy();
    }
  };
  return (options, callback) => {
    openTunnel().then(
      (socket) => {
        if (options.protocol === 'https:') startTls({ ...options, httpSocket: socket }, callback);
        else process.nextTick(callback, null, socket);
      },
      (error: Error) => process.nextTick(callback, proxyFailure(error), null),
    );
  };
}

/** The proxy did not open the tunnel. */
class ProxyRefusedError extends Error {
  readonly code = 'ERR_PROXY_REFUSED';
}

/** undici takes a wrong certificate for the upstream's, and would not end the waiting calls. */
function proxyFailure(error: Error & { code?: string }): Error {
  if (error.code !== 'ERR_TLS_CERT_ALTNAME_INVALID') return error;
  return new ProxyRefusedError(`the proxy's certificate is for another name`, { cause: error });
}

function denied(host: string, refusal: string): AddressDeniedError {
  return new AddressDeniedError(
    refusal === 'unresolved' ? `the host ${host} cannot be resolved here` : `the host ${host} ${refusal}`,
  );
}

function basicAuthorization({ username, password }: URL): string {
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(credentials).toString('base64')}`;
}
