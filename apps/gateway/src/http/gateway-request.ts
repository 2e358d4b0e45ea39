import type { FastifyRequest } from 'fastify';
import type { BodyCapture } from '@app/bodies';
import type { RequestRecord } from '@app/journal';
import type { Caller } from '@app/keys';

/** A data-plane request on its way through the gateway: what each station has learned of it so far. */
export interface GatewayRequest extends FastifyRequest {
  /** The body as it came; null when there was none. */
  body: Buffer | null;
  record: RequestRecord;
  caller: Caller;
  /** What passes, if bodies of the caller are stored. */
  capture: BodyCapture | null;
}

const CONTROL_PLANE = /^\/(?:admin|console|livez|readyz|metrics|favicon\.ico|robots\.txt|v1\/organization)(?:[/?]|$)/;
const ORGANIZATION_API = /^\/v1\/organization(?:\/|$)/;

/** Whether a request is one of operators. Everything else is the data plane, where each request becomes a log row. */
export function isControlPlane(request: FastifyRequest): boolean {
  const route = routeOf(request);
  return CONTROL_PLANE.test(route) || route === '/';
}

/** Whether a request is one of operators in OpenAI's words: it needs the admin token, and is answered in OpenAI's shapes. */
export function isOrganizationApi(request: FastifyRequest): boolean {
  return ORGANIZATION_API.test(routeOf(request));
}

/**
 * The route that answers a request, else its path. Who may call is decided by this and not by the URL, in which one route
 * can be written in more than one way.
 */
export function routeOf({ routeOptions, url }: FastifyRequest): string {
  return routeOptions.url ?? pathOf(url);
}

/** Whether a request belongs to the data plane: the journal hook, which comes first, has opened a record for it. */
export function isDataPlane(request: FastifyRequest): request is GatewayRequest {
  return (request as GatewayRequest).record !== null;
}

/** The path of a request's URL: query strings may hold anything and are never logged. */
export function pathOf(url: string): string {
  const query = url.indexOf('?');
  return query === -1 ? url : url.slice(0, query);
}
