import { Injectable } from '@nestjs/common';
import type { Transaction } from '@app/database';
import { Clock } from '@app/runtime';
import { SignInDelays } from './sign-in-delays.js';
import { hashOfRecoveryCode, stepOfCode } from './totp-codes.js';
import { TotpSecrets } from './totp-secrets.js';

/** What somebody shows besides the password: one of them. */
export type SecondFactor = { readonly totp: string } | { readonly recoveryCode: string };

/** In place of an address: only who has the password gets as far as a code, so it is counted wherever it comes from. */
const ANYWHERE = 'second factor';

/** Checks codes, each of which is good for once. */
@Injectable()
export class SecondFactorChecks {
  constructor(
    private readonly delays: SignInDelays,
    private readonly secrets: TotpSecrets,
    private readonly clock: Clock,
  ) {}

  /** Whether it is right; it is good for nothing afterwards, on any replica. A number: seconds to wait. */
  async accept(tx: Transaction, operatorId: string, given: SecondFactor): Promise<boolean | number> {
    const waitSeconds = this.delays.secondsFor(operatorId, ANYWHERE);
    if (waitSeconds > 0) return waitSeconds;
    const isRight = await ('totp' in given
      ? this.useCode(tx, operatorId, given.totp)
      : useRecoveryCode(tx, operatorId, given.recoveryCode));
    if (isRight) this.delays.noteSuccess(operatorId, ANYWHERE);
    else this.delays.noteFailure(operatorId, ANYWHERE);
    return isRight;
  }

  /** Of two who show the same code at once, the database lets one in. */
  private async useCode(tx: Transaction, operatorId: string, code: string): Promise<boolean> {
    const row = await tx.operatorTotp.findUnique({ where: { operatorId } });
    const step = row && stepOfCode(this.secrets.open(operatorId, row.secretSealed), code, this.clock.now());
    if (step === null) return false;
    const count = await tx.$executeRaw`
      UPDATE operator_totps SET last_step = ${step} WHERE operator_id = ${operatorId}::uuid AND last_step < ${step}`;
    return count === 1;
  }
}

async function useRecoveryCode(tx: Transaction, operatorId: string, code: string): Promise<boolean> {
  const hash = hashOfRecoveryCode(code);
  const count = await tx.$executeRaw`
    UPDATE operator_totps SET recovery_hashes = array_remove(recovery_hashes, ${hash})
    WHERE operator_id = ${operatorId}::uuid AND ${hash} = ANY(recovery_hashes)`;
  return count === 1;
}
