import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { Permission, Role } from '@app/contract';
import { AuditLog, type Prisma, PrismaService, type Transaction } from '@app/database';
import { Clock, newId } from '@app/runtime';
import { hashOf, OperatorSessions } from './operator-sessions.js';

export type OperatorRow = Prisma.OperatorGetPayload<{ include: { keys: true } }>;

export interface OperatorInput {
  name: string;
  email: string;
  role: Role;
  /** Beyond those of the role. */
  permissions: Permission[];
  keyIds: string[];
}

export type OperatorChange = Partial<Omit<OperatorInput, 'email'>> & { enabled?: boolean };

/** Somebody has signed in. */
export interface SignedIn {
  readonly operator: OperatorRow;
  /** For the cookie. */
  readonly secret: string;
  readonly expiresAt: Date;
}

/** How long an invitation can be taken up. */
const INVITED_MS = 7 * 86_400_000;
/** What a row of an operator has besides. */
export const WITH_KEYS = { keys: true } as const;

/** Makes and changes operators. Every write is audited; whoever may do less than before has to sign in again. */
@Injectable()
export class OperatorsService {
  constructor(
    private readonly prisma: PrismaService,
    private readonly sessions: OperatorSessions,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /** Newest first; `beforeId` is the last id of the page before. */
  list(page: { limit: number; beforeId: string | null }): Promise<OperatorRow[]> {
    return this.prisma.operator.findMany({
      where: page.beforeId ? { id: { lt: page.beforeId } } : {},
      include: WITH_KEYS,
      orderBy: { id: 'desc' },
      take: page.limit,
    });
  }

  find(id: string): Promise<OperatorRow | null> {
    return this.prisma.operator.findUnique({ where: { id }, include: WITH_KEYS });
  }

  async isEmpty(): Promise<boolean> {
    return (await this.prisma.operator.count()) === 0;
  }

  /** Somebody who sets a password by the invitation, whose token is told this once. 'taken': by the same e-mail address */
  async invite(
    actor: string,
    { keyIds, ...input }: OperatorInput,
  ): Promise<{ operator: OperatorRow; token: string } | 'taken' | 'unknown_key'> {
    const token = makeToken();
    const operator = await this.prisma.$transaction(async (tx) => {
      if (await tx.operator.findUnique({ where: { email: input.email } })) return 'taken';
      if (!(await areKeys(tx, keyIds))) return 'unknown_key';
      const created = await tx.operator.create({
        data: {
          id: newId(),
          ...input,
          ...this.invitation(token),
          keys: { create: keyIds.map((keyId) => ({ keyId })) },
        },
        include: WITH_KEYS,
      });
      await this.record(tx, actor, 'operator.create', null, created);
      return created;
    });
    return typeof operator === 'string' ? operator : { operator, token };
  }

  /**
   * A new invitation, by which somebody begins anew: the old one, the password, the second factor and what a provider knew him by are
   * good for nothing any more. null when there is none.
   */
  async reinvite(actor: string, id: string): Promise<{ operator: OperatorRow; token: string } | null> {
    const token = makeToken();
    const operator = await this.prisma.$transaction(async (tx) => {
      const before = await tx.operator.findUnique({ where: { id }, include: WITH_KEYS });
      if (!before) return null;
      const data = { ...this.invitation(token), passwordHash: null, totpEnabled: false };
      await tx.operatorTotp.deleteMany({ where: { operatorId: id } });
      await tx.operatorIdentity.deleteMany({ where: { operatorId: id } });
      const after = await tx.operator.update({ where: { id }, data, include: WITH_KEYS });
      await this.sessions.endAll(tx, id);
      await this.record(tx, actor, 'operator.invite', before, after);
      return after;
    });
    return operator && { operator, token };
  }

  /** null when there is none. @param isAllowed says of the operator as he is whether he may be changed like this */
  async update(
    actor: string,
    id: string,
    { keyIds, ...change }: OperatorChange,
    isAllowed: (before: OperatorRow) => boolean,
  ): Promise<OperatorRow | 'not_found' | 'forbidden' | 'last_owner' | 'unknown_key'> {
    return this.prisma.$transaction(async (tx) => {
      await lockOwners(tx);
      const before = await tx.operator.findUnique({ where: { id }, include: WITH_KEYS });
      if (!before) return 'not_found';
      if (!isAllowed(before)) return 'forbidden';
      const isOwnerStill = (change.role ?? before.role) === 'owner' && (change.enabled ?? before.enabled);
      if (!isOwnerStill && (await isLastOwner(tx, before))) return 'last_owner';
      if (keyIds && !(await areKeys(tx, keyIds))) return 'unknown_key';
      const keys = keyIds && { deleteMany: {}, create: keyIds.map((keyId) => ({ keyId })) };
      const after = await tx.operator.update({
        where: { id },
        data: { ...change, ...(keys ? { keys } : {}) },
        include: WITH_KEYS,
      });
      if (change.role !== undefined || change.permissions !== undefined || change.enabled === false) {
        await this.sessions.endAll(tx, id);
      }
      await this.record(tx, actor, 'operator.update', before, after);
      return after;
    });
  }

  /** With sessions and tokens. */
  async remove(
    actor: string,
    id: string,
    isAllowed: (before: OperatorRow) => boolean,
  ): Promise<'removed' | 'not_found' | 'forbidden' | 'last_owner'> {
    return this.prisma.$transaction(async (tx) => {
      await lockOwners(tx);
      const before = await tx.operator.findUnique({ where: { id }, include: WITH_KEYS });
      if (!before) return 'not_found';
      if (!isAllowed(before)) return 'forbidden';
      if (await isLastOwner(tx, before)) return 'last_owner';
      await tx.operator.delete({ where: { id } });
      await this.record(tx, actor, 'operator.delete', before, null);
      return 'removed';
    });
  }

  /** A session of somebody who has shown who he is. @param action for the audit log; null: what led to it is in there */
  async beginSession(operator: OperatorRow, action: string | null): Promise<SignedIn> {
    const session = await this.prisma.$transaction(async (tx) => {
      const begun = await this.sessions.begin(tx, operator.id);
      if (action !== null) await this.record(tx, operator.email, action, null, operator);
      return begun;
    });
    return { operator, ...session };
  }

  record(
    tx: Transaction,
    actor: string,
    action: string,
    before: OperatorRow | null,
    after: OperatorRow | null,
  ): Promise<void> {
    const objectId = (after ?? before)?.id ?? '';
    return this.audit.record(tx, {
      actor,
      action,
      objectType: 'operator',
      objectId,
      before: before && withoutSecrets(before),
      after: after && withoutSecrets(after),
    });
  }

  private invitation(token: string) {
    return { inviteHash: hashOf(token), inviteExpiresAt: new Date(this.clock.now() + INVITED_MS) };
  }
}

export function makeToken(): string {
  return randomBytes(32).toString('base64url');
}

function withoutSecrets({ passwordHash, inviteHash, keys, ...rest }: OperatorRow): object {
  return {
    ...rest,
    hasPassword: passwordHash !== null,
    isInvited: inviteHash !== null,
    keyIds: keys.map(({ keyId }) => keyId),
  };
}

/** Of two who take the last owners away from each other, one is too late. */
async function lockOwners(tx: Transaction): Promise<void> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext('tollgate_owners'))`;
}

async function isLastOwner(tx: Transaction, { id, role, enabled }: OperatorRow): Promise<boolean> {
  if (role !== 'owner' || !enabled) return false;
  return (await tx.operator.count({ where: { role: 'owner', enabled: true, id: { not: id } } })) === 0;
}

async function areKeys(tx: Transaction, ids: readonly string[]): Promise<boolean> {
  return (await tx.apiKey.count({ where: { id: { in: [...ids] } } })) === new Set(ids).size;
}
