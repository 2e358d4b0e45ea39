import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { type Permission, PERMISSIONS } from '@app/contract';
import type { OperatorRow } from '@app/operators';

/** Who calls the control plane, and what he may do. */
export interface Principal {
  readonly kind: 'bootstrap' | 'session' | 'token';
  /** As the audit log names him. */
  readonly actor: string;
  readonly permissions: ReadonlySet<Permission>;
  /** Of all there is, he sees what concerns these; null: everything. */
  readonly keyIds: readonly string[] | null;
  /** Whose session or token it is; null: whoever has ADMIN_TOKEN. */
  readonly operator: OperatorRow | null;
  readonly sessionId: string | null;
  readonly expiresAt: Date | null;
}

/** A request to the control plane, once it is known who sends it. */
export interface PrincipalRequest extends FastifyRequest {
  principal: Principal | null;
}

/** Whoever has the token that the installation was started with: an owner without a name. */
export const BOOTSTRAP_OWNER: Principal = {
  kind: 'bootstrap',
  actor: 'admin_token',
  permissions: new Set(PERMISSIONS),
  keyIds: null,
  operator: null,
  sessionId: null,
  expiresAt: null,
};

/** Whether somebody may give these permissions to others: nobody gives what he does not have. */
export function mayGrant({ permissions, keyIds }: Principal, granted: Iterable<Permission>): boolean {
  if (keyIds !== null) return false;
  for (const permission of granted) if (!permissions.has(permission)) return false;
  return true;
}

function principalOf(context: ExecutionContext): Principal {
  const { principal } = context.switchToHttp().getRequest<PrincipalRequest>();
  if (!principal) throw new Error('a route of the control plane was called by nobody');
  return principal;
}

/** In a controller: who calls. */
export const Caller = createParamDecorator((_: unknown, context: ExecutionContext): Principal => principalOf(context));

/** In a controller: who calls, as the audit log names him. */
export const Actor = createParamDecorator(
  (_: unknown, context: ExecutionContext): string => principalOf(context).actor,
);

/** In a controller: the keys that all that is shown has to concern; null: it may be anything. */
export const OwnKeys = createParamDecorator(
  (_: unknown, context: ExecutionContext): readonly string[] | null => principalOf(context).keyIds,
);
