import { errors } from '@app/protocol';

/** What is done with a stored response. */
export type StoredKind = 'retrieve' | 'delete' | 'cancel' | 'input_items';

interface StoredRoute {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Behind the id. */
  readonly suffix: string;
  /** Query parameters that upstreams know; lists may come by both names (protocol.md §1.3). */
  readonly parameters: readonly string[];
}

const ROUTES: Readonly<Record<StoredKind, StoredRoute>> = {
  retrieve: {
    method: 'GET',
    suffix: '',
    parameters: ['include', 'include[]', 'stream', 'starting_after', 'include_obfuscation'],
  },
  delete: { method: 'DELETE', suffix: '', parameters: [] },
  cancel: { method: 'POST', suffix: '/cancel', parameters: [] },
  input_items: {
    method: 'GET',
    suffix: '/input_items',
    parameters: ['limit', 'order', 'after', 'include', 'include[]'],
  },
};

/** A call about a stored response, as its upstream gets it. */
export interface StoredCall {
  readonly method: StoredRoute['method'];
  /** Path and query behind the upstream's base path. */
  readonly route: string;
  readonly isStream: boolean;
}

/**
 * Builds the upstream's path anew from the id and the parameters that are known: nothing else of the client's URL gets there.
 *
 * @throws GatewayError 400, naming the parameter
 */
export function storedCall(kind: StoredKind, id: string, url: string): StoredCall {
  const { method, suffix, parameters } = ROUTES[kind];
  const mark = url.indexOf('?');
  const given = new URLSearchParams(mark === -1 ? '' : url.slice(mark));
  const sent = new URLSearchParams();
  for (const name of parameters) {
    const values = given.getAll(name);
    for (const value of name === 'include' || name === 'include[]' ? values : values.slice(0, 1))
      sent.append(name, value);
  }
  const startingAfter = sent.get('starting_after');
  if (startingAfter !== null && !/^\d{1,15}$/.test(startingAfter)) {
    throw errors.invalidType('starting_after', 'an integer from 0 on');
  }
  const query = sent.size === 0 ? '' : `?${sent.toString()}`;
  return {
    method,
    route: `/responses/${encodeURIComponent(id)}${suffix}${query}`,
    isStream: sent.get('stream') === 'true',
  };
}
