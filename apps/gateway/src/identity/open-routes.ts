import type { FastifyRequest } from 'fastify';
import { routeOf } from '../http/gateway-request.js';

/** Routes of the admin API that somebody calls to become known. */
export const OPEN_ROUTES: ReadonlySet<string> = new Set([
  'POST /admin/v1/session',
  'GET /admin/v1/session/options',
  'POST /admin/v1/setup',
  'GET /admin/v1/oidc/login',
  'GET /admin/v1/oidc/callback',
]);

/** Whether a request is for everybody. The description of the API is. */
export function isOpenRoute(request: FastifyRequest): boolean {
  const route = routeOf(request);
  return route.startsWith('/admin/v1/openapi.') || OPEN_ROUTES.has(`${request.method} ${route}`);
}
