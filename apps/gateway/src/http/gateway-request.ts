import type { FastifyRequest } from 'fastify';
import type { RequestRecord } from '@app/journal';
import type { Caller } from '@app/keys';

/** A data-plane request on its way through the gateway: what each station has learned of it so far. */
export interface GatewayRequest extends FastifyRequest {
  /** The body as it came; null when there was none. */
  body: Buffer | null;
  record: RequestRecord;
  caller: Caller;
}

const CONTROL_PLANE = /^\/(?:admin|console|livez|readyz|metrics|favicon\.ico|robots\.txt)(?:[/?]|$)/;

/** Whether a URL belongs to operators. Everything else is the data plane, where each request becomes a log row. */
export function isControlPlane(url: string): boolean {
  return CONTROL_PLANE.test(url) || url === '/';
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
