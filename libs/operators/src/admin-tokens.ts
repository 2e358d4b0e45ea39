import { Injectable } from '@nestjs/common';
import type { Permission } from '@app/contract';
import { AuditLog, type Prisma, PrismaService } from '@app/database';
import { Clock, newId, SecretFormat } from '@app/runtime';

/** A token, with who has made it. */
export type AdminTokenRow = Prisma.AdminTokenGetPayload<{ include: { operator: { include: { keys: true } } } }>;

const FORMAT = new SecretFormat('tga-');
const USED_EVERY_MS = 60_000;
const WITH_OPERATOR = { operator: { include: { keys: true } } } as const;

/** Tokens of programs that call the admin API. Asked of the database with every request: one that is revoked is refused at once. */
@Injectable()
export class AdminTokens {
  constructor(
    private readonly prisma: PrismaService,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /** Newest first. @param operatorId whose; null: everybody's */
  list(operatorId: string | null, page: { limit: number; beforeId: string | null }): Promise<AdminTokenRow[]> {
    return this.prisma.adminToken.findMany({
      where: { ...(operatorId ? { operatorId } : {}), ...(page.beforeId ? { id: { lt: page.beforeId } } : {}) },
      include: WITH_OPERATOR,
      orderBy: { id: 'desc' },
      take: page.limit,
    });
  }

  async issue(
    actor: string,
    input: { name: string; operatorId: string | null; permissions: Permission[]; expiresAt: Date | null },
  ): Promise<{ token: AdminTokenRow; secret: string } | 'taken'> {
    const secret = FORMAT.make();
    const secretHash = FORMAT.check(secret) ?? '';
    const token = await this.prisma.$transaction(async (tx) => {
      if (await tx.adminToken.findUnique({ where: { name: input.name } })) return null;
      const data = { id: newId(), ...input, secretHash, last4: secret.slice(-4) };
      const created = await tx.adminToken.create({ data, include: WITH_OPERATOR });
      await this.audit.record(tx, { actor, action: 'admin_token.create', ...entryOf(created), before: null });
      return created;
    });
    return token ? { token, secret } : 'taken';
  }

  /** false when there is none. @param operatorId only when it is his; null: whosever */
  async revoke(actor: string, id: string, operatorId: string | null): Promise<boolean> {
    return this.prisma.$transaction(async (tx) => {
      const before = await tx.adminToken.findUnique({ where: { id }, include: WITH_OPERATOR });
      if (!before || (operatorId !== null && before.operatorId !== operatorId)) return false;
      await tx.adminToken.delete({ where: { id } });
      const { after, ...entry } = entryOf(before);
      await this.audit.record(tx, { actor, action: 'admin_token.revoke', ...entry, before: after, after: null });
      return true;
    });
  }

  /** The token of a secret; null for one that is over, revoked, or whose operator may not sign in any more. */
  async find(secret: string): Promise<AdminTokenRow | null> {
    const secretHash = FORMAT.check(secret);
    if (secretHash === null) return null;
    const token = await this.prisma.adminToken.findUnique({ where: { secretHash }, include: WITH_OPERATOR });
    const nowMs = this.clock.now();
    if (!token || (token.expiresAt && token.expiresAt.getTime() <= nowMs)) return null;
    if (token.operator && !token.operator.enabled) return null;
    if (nowMs - (token.lastUsedAt?.getTime() ?? 0) > USED_EVERY_MS) {
      await this.prisma.adminToken.updateMany({ where: { id: token.id }, data: { lastUsedAt: new Date(nowMs) } });
    }
    return token;
  }
}

/** Without the hash: nothing of a secret is in the audit log. */
function entryOf({ id, name, operatorId, permissions, last4, expiresAt }: AdminTokenRow) {
  return { objectType: 'admin_token', objectId: id, after: { name, operatorId, permissions, last4, expiresAt } };
}
