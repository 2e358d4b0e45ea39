import type { Socket } from 'node:net';

/** How long it took to make a connection, part by part, in milliseconds; null: there was no such part. */
export interface ConnectionTimings {
  readonly dnsMs: number | null;
  readonly tcpMs: number | null;
  readonly tlsMs: number | null;
}

/** When the first parts were over. */
interface Milestones {
  foundMs: number | null;
  connectedMs: number | null;
}

const milestones = new WeakMap<Socket, Milestones>();

/** Takes down how a socket that has just begun to connect gets on. */
export function watchConnecting(socket: Socket): void {
  const times: Milestones = { foundMs: null, connectedMs: null };
  milestones.set(socket, times);
  // Not told for an address, which nobody has to look up.
  socket.once('lookup', () => (times.foundMs = performance.now()));
  socket.once('connect', () => (times.connectedMs = performance.now()));
}

/** Of a connection that is ready for a request. Through a proxy, all that comes before TLS is one part. */
export function timingsOf(socket: Socket, begunMs: number, readyMs: number): ConnectionTimings {
  const { foundMs, connectedMs } = milestones.get(socket) ?? { foundMs: null, connectedMs: null };
  const isTls = 'encrypted' in socket;
  const tcpDoneMs = isTls ? connectedMs : readyMs;
  return {
    dnsMs: foundMs === null ? null : foundMs - begunMs,
    tcpMs: tcpDoneMs === null ? null : tcpDoneMs - (foundMs ?? begunMs),
    tlsMs: isTls ? readyMs - (connectedMs ?? begunMs) : null,
  };
}
