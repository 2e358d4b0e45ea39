import { type AdminToken, type CurrentPrincipal, type Operator, type Role, toPublicId } from '@app/contract';
import type { AdminTokenRow, OperatorRow } from '@app/operators';
import type { Principal } from './principal.js';

export function toOperator(row: OperatorRow): Operator {
  return {
    id: toPublicId('operator', row.id),
    name: row.name,
    email: row.email,
    role: row.role as Role,
    permissions: row.permissions,
    key_ids: row.keys.map(({ keyId }) => toPublicId('key', keyId)),
    enabled: row.enabled,
    has_password: row.passwordHash !== null,
    totp_enabled: row.totpEnabled,
    invited_until: row.inviteHash === null ? null : (row.inviteExpiresAt?.toISOString() ?? null),
    last_seen_at: row.lastSeenAt?.toISOString() ?? null,
    created_at: row.createdAt.toISOString(),
    updated_at: row.updatedAt.toISOString(),
  };
}

export function toAdminToken(row: AdminTokenRow): AdminToken {
  return {
    id: toPublicId('admin_token', row.id),
    name: row.name,
    operator_id: row.operatorId && toPublicId('operator', row.operatorId),
    permissions: row.permissions,
    last4: row.last4,
    expires_at: row.expiresAt?.toISOString() ?? null,
    last_used_at: row.lastUsedAt?.toISOString() ?? null,
    created_at: row.createdAt.toISOString(),
  };
}

/** Who calls, and what he may do. */
export function toCurrentPrincipal({
  actor,
  kind,
  permissions,
  keyIds,
  operator,
  expiresAt,
}: Principal): CurrentPrincipal {
  return {
    actor,
    kind,
    permissions: [...permissions].toSorted(),
    key_ids: keyIds && keyIds.map((id) => toPublicId('key', id)),
    operator: operator && toOperator(operator),
    expires_at: expiresAt?.toISOString() ?? null,
  };
}
