import { Injectable } from '@nestjs/common';
import { PrismaService, type Transaction } from '@app/database';
import { type OperatorRow, OperatorsService, WITH_KEYS } from './operators.service.js';
import { OperatorSessions } from './operator-sessions.js';
import { SecondFactorChecks } from './second-factor-checks.js';
import { hashOfRecoveryCode, isTotpCode, makeRecoveryCodes, makeTotpSecret, otpauthUrl } from './totp-codes.js';
import { TotpSecrets } from './totp-secrets.js';

/** Codes that have to go with a password, of operators who want that. */
@Injectable()
export class SecondFactors {
  constructor(
    private readonly prisma: PrismaService,
    private readonly operators: OperatorsService,
    private readonly sessions: OperatorSessions,
    private readonly secrets: TotpSecrets,
    private readonly checks: SecondFactorChecks,
  ) {}

  /** A secret that asks for nothing until it is confirmed; the pending one before is forgotten. */
  async enrol(id: string): Promise<{ secret: string; url: string } | 'enabled'> {
    const secret = makeTotpSecret();
    return this.prisma.$transaction(async (tx) => {
      const { totpEnabled, email } = await locked(tx, id);
      if (totpEnabled) return 'enabled';
      const secretSealed = this.secrets.seal(id, secret);
      await tx.operatorTotp.deleteMany({ where: { operatorId: id } });
      await tx.operatorTotp.create({ data: { operatorId: id, secretSealed, recoveryHashes: [] } });
      return { secret, url: otpauthUrl(secret, email) };
    });
  }

  /**
   * Asks for a code from now on, as its owner has shown one. All other sessions end. A number: seconds to wait.
   *
   * @returns the recovery codes, which are told this once
   */
  async confirm(
    id: string,
    sessionId: string,
    code: string,
  ): Promise<string[] | number | 'wrong_code' | 'not_pending'> {
    const recoveryCodes = makeRecoveryCodes();
    return this.prisma.$transaction(async (tx) => {
      const before = await locked(tx, id);
      const isPending = !before.totpEnabled && (await tx.operatorTotp.count({ where: { operatorId: id } })) > 0;
      if (!isPending) return 'not_pending';
      const accepted = await this.checks.accept(tx, id, { totp: code });
      if (accepted !== true) return accepted || 'wrong_code';
      const recoveryHashes = recoveryCodes.map(hashOfRecoveryCode);
      await tx.operatorTotp.update({ where: { operatorId: id }, data: { recoveryHashes } });
      const after = await tx.operator.update({ where: { id }, data: { totpEnabled: true }, include: WITH_KEYS });
      await this.sessions.endAll(tx, id, sessionId);
      await this.operators.record(tx, after.email, 'operator.enable_totp', before, after);
      return recoveryCodes;
    });
  }

  /** By a code or a recovery code of its own. A number: seconds to wait. */
  async disable(id: string, code: string): Promise<true | number | 'wrong_code' | 'not_enabled'> {
    return this.prisma.$transaction(async (tx) => {
      const before = await locked(tx, id);
      if (!before.totpEnabled) return 'not_enabled';
      const accepted = await this.checks.accept(tx, id, isTotpCode(code) ? { totp: code } : { recoveryCode: code });
      if (accepted !== true) return accepted || 'wrong_code';
      await this.takeAway(tx, before.email, 'operator.disable_totp', before);
      return true;
    });
  }

  /** For somebody who has lost his. All his sessions end. @param isAllowed says whether this operator may be changed */
  async reset(
    actor: string,
    id: string,
    isAllowed: (before: OperatorRow) => boolean,
  ): Promise<OperatorRow | 'not_found' | 'forbidden'> {
    return this.prisma.$transaction(async (tx) => {
      const before = await tx.operator.findUnique({ where: { id }, include: WITH_KEYS });
      if (!before) return 'not_found';
      if (!isAllowed(before)) return 'forbidden';
      await this.sessions.endAll(tx, id);
      return this.takeAway(tx, actor, 'operator.reset_totp', before);
    });
  }

  private async takeAway(tx: Transaction, actor: string, action: string, before: OperatorRow): Promise<OperatorRow> {
    const { id } = before;
    await tx.operatorTotp.deleteMany({ where: { operatorId: id } });
    const after = await tx.operator.update({ where: { id }, data: { totpEnabled: false }, include: WITH_KEYS });
    await this.operators.record(tx, actor, action, before, after);
    return after;
  }
}

/** Who enrols, confirms and switches off at once does it in turn. */
async function locked(tx: Transaction, id: string): Promise<OperatorRow> {
  await tx.$queryRaw`SELECT 1 FROM operators WHERE id = ${id}::uuid FOR UPDATE`;
  return tx.operator.findUniqueOrThrow({ where: { id }, include: WITH_KEYS });
}
