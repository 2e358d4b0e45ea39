import { Inject, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { type Permission, type Role, ROLE_PERMISSIONS } from '@app/contract';
import { type AdminTokenRow, AdminTokens, type OperatorRow, OperatorSessions } from '@app/operators';
import { AdminTokenHash } from '../http/admin-token.js';
import { bearerToken } from '../http/bearer-token.js';
import { BOOTSTRAP_OWNER, type Principal } from './principal.js';
import { sessionSecretOf } from './session-cookie.js';

/** Says who calls the control plane: by ADMIN_TOKEN, by the token of a program, or by the cookie of a session. */
@Injectable()
export class Principals {
  constructor(
    @Inject(AdminTokenHash) private readonly bootstrap: AdminTokenHash,
    private readonly tokens: AdminTokens,
    private readonly sessions: OperatorSessions,
  ) {}

  /** null: nobody who is known. Only whoever has ADMIN_TOKEN is known without the database. */
  of(request: FastifyRequest): Principal | null | Promise<Principal | null> {
    const { authorization } = request.headers;
    if (authorization !== undefined) {
      const secret = bearerToken(authorization);
      if (secret === null) return null;
      if (this.bootstrap.matches(secret)) return BOOTSTRAP_OWNER;
      return this.tokens.find(secret).then((token) => token && ofToken(token));
    }
    const secret = sessionSecretOf(request);
    return secret === null
      ? null
      : this.sessions.find(secret).then((session) => session && principalOf(session.operator, session));
  }
}

/** Somebody with a session. */
export function principalOf(
  operator: OperatorRow,
  { id, expiresAt }: { id: string | null; expiresAt: Date },
): Principal {
  return {
    kind: 'session',
    actor: operator.email,
    permissions: permissionsOf(operator),
    keyIds: keyIdsOf(operator),
    operator,
    sessionId: id,
    expiresAt,
  };
}

/** It can do no more than who has made it can by now. */
function ofToken({ name, permissions, operator, expiresAt }: AdminTokenRow): Principal {
  const held = operator && permissionsOf(operator);
  const granted = (permissions as Permission[]).filter((permission) => !held || held.has(permission));
  return {
    kind: 'token',
    actor: `token:${name}`,
    permissions: new Set<Permission>([...granted, 'self:read']),
    keyIds: operator && keyIdsOf(operator),
    operator,
    sessionId: null,
    expiresAt,
  };
}

/** What an operator may do, by his role and besides. */
export function permissionsOf({
  role,
  permissions,
}: Pick<OperatorRow, 'role' | 'permissions'>): ReadonlySet<Permission> {
  return new Set([...(ROLE_PERMISSIONS[role as Role] ?? []), ...(permissions as Permission[])]);
}

function keyIdsOf({ role, keys }: OperatorRow): readonly string[] | null {
  return role === 'developer' ? keys.map(({ keyId }) => keyId) : null;
}
