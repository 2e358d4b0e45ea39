import type { Socket } from 'node:net';
import type { FastifyReply } from 'fastify';

/** An answer as its client's departure concerns it. */
export interface ProbedAnswer {
  /** Everything is written, or nobody waits for it. */
  readonly isSettled: boolean;
  /** Writes something that means nothing to the client; false when nothing can be written now. */
  probe(): boolean;
}

/**
 * When a client is probed, counted from the end of its side. The first probe makes the system of a client that has left
 * send a reset, which only the next write gets to see: that comes soon for clients nearby, and again for those far away.
 */
const PROBES_AFTER_MS = [0, 30, 300, 1_500];

/**
 * Tells a client that has left from one that has only closed its side, which is legal behind a whole request and wants its
 * answer (RFC 9112 §9.6). Both look the same until something is written. What cannot be probed is taken to have left, as
 * Node does with all of them.
 */
export function watchForDeparture({ request, raw: response }: FastifyReply, answer: ProbedAnswer): void {
  const { socket } = request.raw;
  let timers: NodeJS.Timeout[] = [];
  const onEnd = (): void => {
    timers = PROBES_AFTER_MS.map((afterMs) => setTimeout(() => probe(socket, answer), afterMs));
  };
  socket.once('end', onEnd);
  response.once('close', () => {
    socket.off('end', onEnd);
    for (const timer of timers) clearTimeout(timer);
  });
  if (socket.readableEnded) onEnd();
}

function probe(socket: Socket, answer: ProbedAnswer): void {
  if (answer.isSettled || !answer.probe()) socket.end();
}
