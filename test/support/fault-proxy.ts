import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** What happens to the bytes on their way; read anew for each piece, so that a test may change it under way. */
export interface FaultPlan {
  /** Pause before each piece, in both directions. */
  latencyMs?: number;
  /** Speed of each direction of each connection. */
  bytesPerSecond?: number;
  /** Bytes are passed on in pieces of this size, each in a write of its own. */
  sliceBytes?: number;
  /** After so many bytes of a connection in that direction, both its sides are reset. */
  resetAfterBytes?: { toUpstream?: number; toClient?: number };
  /**
   * - `swallow`: half-open. Bytes and ends are taken and never passed on; nobody is told.
   * - `hold`: nothing is read any more, so that the senders' windows fill; passed on once the plan changes.
   */
  instead?: 'swallow' | 'hold';
}

const RESET_DELAY_MS = 10;

type Direction = 'toUpstream' | 'toClient';

/** One connection of a client, and the one to the upstream that belongs to it. */
export class ProxiedConnection {
  readonly bytes: Record<Direction, number> = { toUpstream: 0, toClient: 0 };
  /** When each side was closed, by `performance.now()`; null while it is open. */
  clientClosedAtMs: number | null = null;
  upstreamClosedAtMs: number | null = null;
  /** Resolves once the client's side is closed, for whatever reason. */
  readonly clientClosed: Promise<void>;
  readonly upstreamClosed: Promise<void>;

  constructor(
    readonly client: Socket,
    readonly upstream: Socket,
  ) {
    this.clientClosed = closeOf(client).then((atMs) => void (this.clientClosedAtMs = atMs));
    this.upstreamClosed = closeOf(upstream).then((atMs) => void (this.upstreamClosedAtMs = atMs));
  }

  /** Resets both sides (RST): what was not read yet may be lost. */
  reset(): void {
    reset(this.client);
    reset(this.upstream);
  }
}

/** A TCP proxy on a port of its own that does to connections what networks do. */
export class FaultProxy {
  plan: FaultPlan = {};
  /** All connections that there have been, newest last. */
  readonly connections: ProxiedConnection[] = [];
  private server: Server | null = null;
  private boundPort = 0;

  private constructor(private readonly targetPort: number) {}

  /** Listens on 127.0.0.1 in front of a server there. */
  static async start(target: string | number): Promise<FaultProxy> {
    const proxy = new FaultProxy(typeof target === 'number' ? target : Number(new URL(target).port));
    await proxy.reopen();
    return proxy;
  }

  get port(): number {
    return this.boundPort;
  }

  /** `http://HOST:PORT` */
  get url(): string {
    return `http://127.0.0.1:${this.boundPort}`;
  }

  /** Closes the listener: new connections are refused, those that there are stay. */
  async refuse(): Promise<void> {
    const { server } = this;
    this.server = null;
    // Not awaited: a net.Server calls back only when its last connection has ended.
    server?.close();
    if (server) await new Promise<void>((resolve) => setImmediate(resolve));
  }

  /** Listens again, on the same port. */
  async reopen(): Promise<void> {
    if (this.server) return;
    this.server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.accept(client));
    this.server.listen(this.boundPort, '127.0.0.1');
    await once(this.server, 'listening');
    this.boundPort = (this.server.address() as AddressInfo).port;
  }

  /** Resets every connection. */
  cutAll(): void {
    for (const connection of this.connections) connection.reset();
  }

  async close(): Promise<void> {
    await this.refuse();
    for (const { client, upstream } of this.connections) {
      client.destroy();
      upstream.destroy();
    }
    await Promise.all(this.connections.flatMap((connection) => [connection.clientClosed, connection.upstreamClosed]));
  }

  private accept(client: Socket): void {
    const upstream = connect({ port: this.targetPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    const connection = new ProxiedConnection(client, upstream);
    this.connections.push(connection);
    void this.pass(connection, client, upstream, 'toUpstream');
    void this.pass(connection, upstream, client, 'toClient');
  }

  private async pass(connection: ProxiedConnection, from: Socket, to: Socket, direction: Direction): Promise<void> {
    try {
      // One piece at a time: what waits for its turn is backpressure for the sender.
      for await (const chunk of from.iterator({ destroyOnReturn: false })) {
        for (const piece of slices(chunk as Buffer, this.plan.sliceBytes)) {
          await this.passPiece(connection, to, piece, direction);
        }
      }
      await this.released();
      if (this.plan.instead !== 'swallow') to.end();
    } catch {
      // The sender reset its connection.
      if (this.plan.instead !== 'swallow') reset(to);
    }
  }

  private async passPiece(
    connection: ProxiedConnection,
    to: Socket,
    piece: Buffer,
    direction: Direction,
  ): Promise<void> {
    const { latencyMs, bytesPerSecond, resetAfterBytes } = this.plan;
    if (latencyMs) await delay(latencyMs);
    await this.released();
    if (this.plan.instead === 'swallow' || to.destroyed) return;
    const room = (resetAfterBytes?.[direction] ?? Infinity) - connection.bytes[direction];
    const passed = piece.length > room ? piece.subarray(0, Math.max(0, room)) : piece;
    connection.bytes[direction] += passed.length;
    await written(to, passed);
    if (passed.length < piece.length) {
      // A reader that polls the last bytes and the reset at once sees a clean end: it is given time to read first.
      if (passed.length > 0) await delay(RESET_DELAY_MS);
      return connection.reset();
    }
    if (bytesPerSecond) await delay((1000 * piece.length) / bytesPerSecond);
  }

  /** Waits while the plan is to hold everything. */
  private async released(): Promise<void> {
    while (this.plan.instead === 'hold' && this.server !== null) await delay(5);
  }
}

/** Pieces of a chunk; each goes out in a write of its own, and Nagle is off. */
function slices(chunk: Buffer, sliceBytes = Infinity): Buffer[] {
  if (chunk.length <= sliceBytes) return [chunk];
  const pieces: Buffer[] = [];
  for (let start = 0; start < chunk.length; start += sliceBytes) {
    pieces.push(chunk.subarray(start, start + sliceBytes));
  }
  return pieces;
}

/** Resolves when the kernel has the bytes, or the socket is gone. */
function written(to: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => to.write(bytes, () => resolve()));
}

// resetAndDestroy() sends a FIN before the RST, which a quick reader takes for a clean end. Its own flag leaves only the RST.
function reset(socket: Socket): void {
  Object.assign(socket, { resetAndClosing: true }).destroy();
}

function closeOf(socket: Socket): Promise<number> {
  socket.on('error', () => undefined);
  return new Promise((resolve) => socket.once('close', () => resolve(performance.now())));
}
