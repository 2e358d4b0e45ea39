import { BodyPolicy, type CreateKey, type Key, toPublicId, type UpdateKey } from '@app/contract';
import { Prisma } from '@app/database';
import { type KeyInput, type KeyRow, keyStatus } from '@app/keys';
import { given } from './given.js';
import { shownLimits, toLimitColumns } from './limit-fields.js';

/** The service's names for a key that is to be issued. */
export function toKeyInput(body: CreateKey): KeyInput {
  const { name, owner, group_id: groupId, models, expires_at: expiresAt } = body;
  return {
    name,
    owner,
    ...toLimitColumns(body),
    groupId,
    models: models ?? [],
    expiresAt: expiresAt === null ? null : new Date(expiresAt),
    bodyPolicy: toStoredPolicy(body.body_policy),
  };
}

/** The service's names for what a change gives. */
export function toKeyChange(update: UpdateKey): Partial<KeyInput> {
  const { group_id, models, expires_at, name, owner, body_policy, ...limits } = update;
  return {
    ...given({ name, owner }),
    ...toLimitColumns(limits),
    ...(group_id === undefined ? {} : { groupId: group_id }),
    ...(models === undefined ? {} : { models: models ?? [] }),
    ...(body_policy === undefined ? {} : { bodyPolicy: toStoredPolicy(body_policy) }),
    ...(expires_at === undefined ? {} : { expiresAt: expires_at === null ? null : new Date(expires_at) }),
  };
}

function toStoredPolicy(policy: BodyPolicy | null) {
  return policy ?? Prisma.DbNull;
}

/** A key as the API shows it. */
export function toKey(row: KeyRow, nowMs: number): Key {
  return {
    id: toPublicId('key', row.id),
    name: row.name,
    group_id: toPublicId('group', row.groupId),
    group_name: row.group.name,
    owner: row.owner,
    models: row.models.length > 0 ? row.models : null,
    body_policy: row.bodyPolicy === null ? null : BodyPolicy.parse(row.bodyPolicy),
    ...shownLimits(row),
    managed_by: row.managedBy as Key['managed_by'],
    prefix: row.prefix,
    last4: row.last4,
    status: keyStatus(row, nowMs),
    previous_secret_expires_at: row.previousSecretExpiresAt?.toISOString() ?? null,
    expires_at: row.expiresAt?.toISOString() ?? null,
    revoked_at: row.revokedAt?.toISOString() ?? null,
    last_used_at: row.lastUsedAt?.toISOString() ?? null,
    created_at: row.createdAt.toISOString(),
    updated_at: row.updatedAt.toISOString(),
  };
}
