import type { Socket } from 'node:net';

/** A request, as far as its connection concerns it. */
export interface ConnectionWatcher {
  /** The client has closed its side: it has left, or has nothing more to ask. */
  onClientSideClosed(): void;
  onConnectionClosed(): void;
}

const WATCH = Symbol('watch');

type Watched = Socket & { [WATCH]?: Set<ConnectionWatcher> };

/**
 * Tells a request what becomes of its connection, until `unwatchConnection`. Needed beside the response's own `close`,
 * which Node never emits for one that waits behind others of a pipeline. One listener serves all requests of a connection.
 */
export function watchConnection(socket: Watched, watcher: ConnectionWatcher): void {
  const watchers = (socket[WATCH] ??= startWatching(socket));
  watchers.add(watcher);
}

function startWatching(socket: Socket): Set<ConnectionWatcher> {
  const watchers = new Set<ConnectionWatcher>();
  socket.once('end', () => {
    for (const each of watchers) each.onClientSideClosed();
  });
  socket.once('close', () => {
    for (const each of watchers) each.onConnectionClosed();
  });
  return watchers;
}

export function unwatchConnection(socket: Watched, watcher: ConnectionWatcher): void {
  socket[WATCH]?.delete(watcher);
}
