import { AsyncLocalStorage } from 'node:async_hooks';

/** Where an admin write comes from. */
export interface AuditOrigin {
  readonly ip: string | null;
  /** As the answer has it in `x-request-id`. */
  readonly requestId: string;
}

const origins = new AsyncLocalStorage<AuditOrigin | null>();

/** Does some work, and whatever it leads to, on behalf of a request to the control plane: the audit log notes which. */
export function onBehalfOf<T>(origin: AuditOrigin | null, work: () => T): T {
  return origins.run(origin, work);
}

/** The request on whose behalf something is done; null: nobody asked for it. */
export function auditOrigin(): AuditOrigin | null {
  return origins.getStore() ?? null;
}
