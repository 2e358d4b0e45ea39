import type { FastifyRequest } from 'fastify';

/** Where a visitor believes to be; null when that cannot stand in a URL, as it is his own word. */
export function requestOrigin({ headers: { host = '' }, protocol }: FastifyRequest): string | null {
  return /^[\w.-]+(?::\d+)?$|^\[[\da-f:]+\](?::\d+)?$/i.test(host) ? `${protocol}://${host}` : null;
}
