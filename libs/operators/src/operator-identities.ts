import { Injectable } from '@nestjs/common';
import type { Role } from '@app/contract';
import { AuditLog, PrismaService, type Transaction } from '@app/database';
import { newId } from '@app/runtime';
import { type OperatorRow, OperatorsService, type SignedIn, WITH_KEYS } from './operators.service.js';

/** By what an OpenID provider knows somebody, for good: a name within the provider, which is never given to anybody else. */
export interface Identity {
  readonly issuer: string;
  readonly subject: string;
}

/** Somebody of whom the provider has checked that this is his address. */
export interface Newcomer {
  readonly email: string;
  readonly name: string;
  /** What he becomes when nobody has invited him; null: nothing. */
  readonly role: Role | null;
}

/** Lets people in whom an OpenID provider vouches for. */
@Injectable()
export class OperatorIdentities {
  constructor(
    private readonly prisma: PrismaService,
    private readonly operators: OperatorsService,
    private readonly audit: AuditLog,
  ) {}

  /** Whose identity it is, whatever his address is by now; 'unknown': it is not bound to anybody yet. */
  async signIn({ issuer, subject }: Identity): Promise<SignedIn | 'unknown' | 'disabled'> {
    const identity = await this.prisma.operatorIdentity.findUnique({
      where: { issuer_subject: { issuer, subject } },
      include: { operator: { include: WITH_KEYS } },
    });
    return identity ? this.begin(identity.operator) : 'unknown';
  }

  /**
   * Binds an identity to the operator of this address at his first login, and signs in. 'taken': the provider knew the operator by
   * another name, so this is somebody who was given his address.
   */
  async bind(identity: Identity, newcomer: Newcomer): Promise<SignedIn | 'unknown' | 'disabled' | 'taken'> {
    const operator = await this.prisma.$transaction(async (tx) => {
      // Two tabs of one browser come back at once.
      await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext('tollgate_identities'))`;
      const invited = await tx.operator.findUnique({ where: { email: newcomer.email }, include: WITH_KEYS });
      const found = invited ?? (await made(tx, newcomer));
      if (!found) return 'unknown';
      if (!found.enabled) return 'disabled';
      const { issuer, subject } = identity;
      const known = await tx.operatorIdentity.findUnique({
        where: { operatorId_issuer: { operatorId: found.id, issuer } },
      });
      if (known) return known.subject === subject ? found : 'taken';
      await tx.operatorIdentity.create({ data: { ...identity, operatorId: found.id } });
      if (!invited) await this.operators.record(tx, found.email, 'operator.create', null, found);
      const entry = { objectType: 'operator', objectId: found.id, before: null, after: { ...identity } };
      await this.audit.record(tx, { actor: found.email, action: 'operator.bind_identity', ...entry });
      return found;
    });
    return typeof operator === 'string' ? operator : this.begin(operator);
  }

  private async begin(operator: OperatorRow): Promise<SignedIn | 'disabled'> {
    return operator.enabled ? this.operators.beginSession(operator, 'operator.sign_in_by_oidc') : 'disabled';
  }
}

/** Somebody whom nobody has invited. null: such people are not let in. */
async function made(tx: Transaction, { email, name, role }: Newcomer): Promise<OperatorRow | null> {
  if (role === null) return null;
  return tx.operator.create({ data: { id: newId(), name, email, role, permissions: [] }, include: WITH_KEYS });
}
