import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { type Permission, PERMISSIONS } from './permissions.js';

/** Who calls the control plane, and what he may do. */
export interface Principal {
  /** As the audit log names him. */
  readonly actor: string;
  readonly permissions: ReadonlySet<Permission>;
}

/** A request to the control plane, once it is known who sends it. */
export interface PrincipalRequest extends FastifyRequest {
  principal: Principal | null;
}

/** Whoever has the token that the installation was started with: an owner without a name. */
export const BOOTSTRAP_OWNER: Principal = { actor: 'admin_token', permissions: new Set(PERMISSIONS) };

/** In a controller: who calls, as the audit log names him. */
export const Actor = createParamDecorator((_: unknown, context: ExecutionContext): string => {
  const { principal } = context.switchToHttp().getRequest<PrincipalRequest>();
  if (!principal) throw new Error('a route of the control plane was called by nobody');
  return principal.actor;
});
