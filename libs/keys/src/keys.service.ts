import { Injectable } from '@nestjs/common';
import {
  AuditLog,
  ChangeFeed,
  lockRow,
  Prisma,
  PrismaService,
  runWrite,
  type SeenVersions,
  type Transaction,
} from '@app/database';
import { Clock, newId } from '@app/runtime';
import { checkSecret, makeSecret } from './key-secret.js';

/** A key as stored; its secrets are only there as hashes. */
export type KeyRow = Prisma.ApiKeyGetPayload<{ include: { group: true } }>;

export interface KeyInput {
  name: string;
  groupId: string;
  owner: string;
  models: readonly string[];
  expiresAt: Date | null;
  requestsPerMinute?: number | null;
  inputTokensPerMinute?: number | null;
  tokensPerMinute?: number | null;
  maxConcurrency?: number | null;
  budgetNanoUsd?: bigint | null;
  softThresholdPercent?: number | null;
  bodyPolicy?: Prisma.InputJsonObject | typeof Prisma.DbNull;
  managedBy?: 'config';
}

/** A key with the secret that is told once. */
export interface IssuedKey {
  key: KeyRow;
  secret: string;
}

/** A change of one key, and what it is part of. */
interface KeyWrite {
  readonly actor: string;
  readonly id: string;
  readonly action: string;
  readonly seen: SeenVersions;
  readonly within: Transaction | null;
}

const WITH_GROUP = { group: true } as const;

/** Whether a key works now. */
export function keyStatus(
  key: { revokedAt: Date | null; expiresAt: Date | null },
  nowMs: number,
): 'active' | 'revoked' | 'expired' {
  if (key.revokedAt) return 'revoked';
  return key.expiresAt && key.expiresAt.getTime() <= nowMs ? 'expired' : 'active';
}

/**
 * Issues, changes and withdraws keys. Every write is audited, and in force in this process when its promise resolves. One that is based
 * on another version than the key has throws StaleVersionError.
 */
@Injectable()
export class KeysService {
  constructor(
    private readonly prisma: PrismaService,
    private readonly audit: AuditLog,
    private readonly feed: ChangeFeed,
    private readonly clock: Clock,
  ) {}

  /** Newest first; `beforeId` is the last id of the page before; `ids`: of these only, if not null. */
  list(page: {
    limit: number;
    beforeId: string | null;
    groupId: string | null;
    ids: readonly string[] | null;
  }): Promise<KeyRow[]> {
    return this.prisma.apiKey.findMany({
      where: {
        id: { ...(page.beforeId ? { lt: page.beforeId } : {}), ...(page.ids ? { in: [...page.ids] } : {}) },
        ...(page.groupId ? { groupId: page.groupId } : {}),
      },
      orderBy: { id: 'desc' },
      take: page.limit,
      include: WITH_GROUP,
    });
  }

  find(id: string): Promise<KeyRow | null> {
    return this.prisma.apiKey.findUnique({ where: { id }, include: WITH_GROUP });
  }

  /** null when the group does not exist. */
  async issue(
    actor: string,
    input: KeyInput,
    secret = makeSecret(),
    within: Transaction | null = null,
  ): Promise<IssuedKey | null> {
    const id = newId();
    const key = await runWrite(this.prisma, this.feed, within, async (tx) => {
      const group = await tx.group.findUnique({ where: { id: input.groupId } });
      if (!group) return null;
      const created = await tx.apiKey.create({
        data: { id, ...input, models: [...input.models], ...stored(secret) },
        include: WITH_GROUP,
      });
      await this.record(tx, actor, 'key.create', null, created);
      return created;
    });
    return key && { key, secret };
  }

  /** null when the key, or the group that it should move to, does not exist. */
  update(
    actor: string,
    id: string,
    { models, ...data }: Partial<KeyInput>,
    seen: SeenVersions = null,
    within: Transaction | null = null,
  ): Promise<KeyRow | null> {
    return this.change({ actor, id, action: 'key.update', seen, within }, async (tx) => {
      if (data.groupId && !(await tx.group.findUnique({ where: { id: data.groupId } }))) return null;
      return { ...data, ...(models ? { models: [...models] } : {}) };
    });
  }

  /**
   * A new secret; the one until now stays valid for `overlapSeconds`. 'conflict' when the key is revoked, or somebody else
   * has rotated it meanwhile: each secret that is handed out works.
   */
  async rotate(
    actor: string,
    id: string,
    { overlapSeconds, secret = makeSecret() }: { overlapSeconds: number; secret?: string | undefined },
    seen: SeenVersions = null,
    within: Transaction | null = null,
  ): Promise<IssuedKey | 'not_found' | 'conflict'> {
    const found = await (within ?? this.prisma).apiKey.findUnique({ where: { id } });
    if (!found) return 'not_found';
    const key = await this.change({ actor, id, action: 'key.rotate', seen, within }, (_, before) => {
      if (before.revokedAt || !Buffer.from(before.secretHash).equals(found.secretHash)) return null;
      return {
        ...stored(secret),
        previousSecretHash: before.secretHash,
        previousSecretExpiresAt: new Date(this.clock.now() + overlapSeconds * 1000),
      };
    });
    return key ? { key, secret } : 'conflict';
  }

  /** Refuses the key from now on. Revoking twice is no error. */
  revoke(actor: string, id: string, seen: SeenVersions = null): Promise<KeyRow | null> {
    return this.change({ actor, id, action: 'key.revoke', seen, within: null }, (_, before) => ({
      revokedAt: before.revokedAt ?? new Date(this.clock.now()),
    }));
  }

  /** Takes the key away; its log rows stay. False when there is no such key. */
  async remove(
    actor: string,
    id: string,
    seen: SeenVersions = null,
    within: Transaction | null = null,
  ): Promise<boolean> {
    return runWrite(this.prisma, this.feed, within, async (tx) => {
      await lockRow(tx, 'api_keys', id, seen, 'DELETE');
      const before = await tx.apiKey.findUnique({ where: { id }, include: WITH_GROUP });
      if (!before) return false;
      await tx.apiKey.delete({ where: { id } });
      await this.record(tx, actor, 'key.delete', before, null);
      return true;
    });
  }

  private async change(
    { actor, id, action, seen, within }: KeyWrite,
    decide: (
      tx: Transaction,
      before: KeyRow,
    ) => Prisma.ApiKeyUncheckedUpdateInput | null | Promise<Prisma.ApiKeyUncheckedUpdateInput | null>,
  ): Promise<KeyRow | null> {
    return runWrite(this.prisma, this.feed, within, async (tx) => {
      await lockRow(tx, 'api_keys', id, seen);
      const before = await tx.apiKey.findUnique({ where: { id }, include: WITH_GROUP });
      const data = before && (await decide(tx, before));
      if (!data) return null;
      const after = await tx.apiKey.update({ where: { id }, data, include: WITH_GROUP });
      await this.record(tx, actor, action, before, after);
      return after;
    });
  }

  private record(
    tx: Transaction,
    actor: string,
    action: string,
    before: KeyRow | null,
    after: KeyRow | null,
  ): Promise<void> {
    const objectId = (before ?? after)?.id ?? '';
    return this.audit.record(tx, {
      actor,
      action,
      objectType: 'key',
      objectId,
      before: before && withoutHashes(before),
      after: after && withoutHashes(after),
    });
  }
}

function stored(secret: string): { secretHash: Uint8Array<ArrayBuffer>; prefix: string; last4: string } {
  return {
    secretHash: new Uint8Array(Buffer.from(checkSecret(secret) ?? '', 'hex')),
    prefix: secret.slice(0, 12),
    last4: secret.slice(-4),
  };
}

function withoutHashes({
  secretHash: _hash,
  previousSecretHash: _previousHash,
  group: _group,
  ...rest
}: KeyRow): object {
  return rest;
}
