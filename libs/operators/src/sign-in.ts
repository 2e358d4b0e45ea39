import { Injectable } from '@nestjs/common';
import { PrismaService } from '@app/database';
import { OperatorsService, type SignedIn, WITH_KEYS } from './operators.service.js';
import { PasswordHasher } from './password-hasher.js';
import { type SecondFactor, SecondFactorChecks } from './second-factor-checks.js';
import { SignInDelays } from './sign-in-delays.js';

/** What somebody shows who wants to sign in. */
export interface Credentials {
  readonly email: string;
  readonly password: string;
  readonly factor: SecondFactor | null;
}

/** Lets people in by their password. */
@Injectable()
export class SignIns {
  constructor(
    private readonly prisma: PrismaService,
    private readonly operators: OperatorsService,
    private readonly hasher: PasswordHasher,
    private readonly delays: SignInDelays,
    private readonly checks: SecondFactorChecks,
  ) {}

  /**
   * By password, and by what has to go with it. A number: seconds to wait. 'wrong_password': or not known, and nobody is told which;
   * of a second factor only whoever has the password is told.
   *
   * @param factor null: none was shown
   * @throws TooManyPasswords
   */
  async withPassword(
    { email, password, factor }: Credentials,
    address: string,
  ): Promise<SignedIn | number | 'wrong_password' | 'totp_required' | 'wrong_code'> {
    const name = email.trim().toLowerCase();
    const waitSeconds = this.delays.secondsFor(name, address);
    if (waitSeconds > 0) return waitSeconds;
    this.hasher.requireRoom();
    const operator = await this.prisma.operator.findUnique({ where: { email: name }, include: WITH_KEYS });
    const stored = operator?.enabled ? operator.passwordHash : null;
    if (!(await this.hasher.matches(stored, password)) || !operator) {
      this.delays.noteFailure(name, address);
      return 'wrong_password';
    }
    if (operator.totpEnabled) {
      // No success yet: whoever guesses codes would have his failures forgotten by it.
      if (factor === null) return 'totp_required';
      const accepted = await this.checks.accept(this.prisma, operator.id, factor);
      if (typeof accepted === 'number') return accepted;
      if (!accepted) {
        this.delays.noteFailure(name, address);
        return 'wrong_code';
      }
    }
    this.delays.noteSuccess(name, address);
    const byRecoveryCode = operator.totpEnabled && factor !== null && 'recoveryCode' in factor;
    return this.operators.beginSession(
      operator,
      byRecoveryCode ? 'operator.sign_in_by_recovery_code' : 'operator.sign_in',
    );
  }
}
