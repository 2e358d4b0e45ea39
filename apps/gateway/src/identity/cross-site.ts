import type { FastifyRequest } from 'fastify';

/** A header that no form can send, and no script of another site without a preflight, which is never answered. */
export const CSRF_HEADER = 'x-tollgate-csrf';

const READS = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Whether a browser says that a page of another site has it send this. */
export function isFromAnotherSite({ headers }: FastifyRequest): boolean {
  const site = headers['sec-fetch-site'];
  // `none`: typed by a person; a browser that is too old says nothing.
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true;
  const { origin, host } = headers;
  if (origin === undefined) return false;
  return !URL.canParse(origin) || new URL(origin).host !== host;
}

/** Whether a request that a cookie stands for may have been made by a page of another site. */
export function mayBeForged(request: FastifyRequest): boolean {
  if (READS.has(request.method)) return false;
  return isFromAnotherSite(request) || !request.headers[CSRF_HEADER];
}
