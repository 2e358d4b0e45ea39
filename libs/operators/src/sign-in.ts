import { Injectable } from '@nestjs/common';
import { PrismaService } from '@app/database';
import { type OperatorRow, OperatorsService } from './operators.service.js';
import { OperatorSessions } from './operator-sessions.js';
import { PasswordHasher } from './password-hasher.js';
import { SignInDelays } from './sign-in-delays.js';

const WITH_KEYS = { keys: true } as const;

/** Somebody has signed in. */
export interface SignedIn {
  readonly operator: OperatorRow;
  /** For the cookie. */
  readonly secret: string;
  readonly expiresAt: Date;
}

/** Lets people in by their password. */
@Injectable()
export class SignIns {
  constructor(
    private readonly prisma: PrismaService,
    private readonly operators: OperatorsService,
    private readonly sessions: OperatorSessions,
    private readonly hasher: PasswordHasher,
    private readonly delays: SignInDelays,
  ) {}

  /**
   * By password. null: not known, or wrong, and nobody is told which. A number: seconds to wait.
   *
   * @throws TooManyPasswords
   */
  async withPassword(email: string, password: string, address: string): Promise<SignedIn | number | null> {
    const name = email.trim().toLowerCase();
    const waitSeconds = this.delays.secondsFor(name, address);
    if (waitSeconds > 0) return waitSeconds;
    this.hasher.requireRoom();
    const operator = await this.prisma.operator.findUnique({ where: { email: name }, include: WITH_KEYS });
    const stored = operator?.enabled ? operator.passwordHash : null;
    if (!(await this.hasher.matches(stored, password)) || !operator) {
      this.delays.noteFailure(name, address);
      return null;
    }
    this.delays.noteSuccess(name, address);
    return this.begin(operator, 'operator.sign_in');
  }

  /** false: the current one is wrong. All other sessions end. @throws TooManyPasswords */
  async changePassword(id: string, sessionId: string | null, current: string, next: string): Promise<boolean> {
    const operator = await this.prisma.operator.findUniqueOrThrow({ where: { id }, include: WITH_KEYS });
    if (!(await this.hasher.matches(operator.passwordHash, current))) return false;
    const passwordHash = await this.hasher.hash(next);
    await this.prisma.$transaction(async (tx) => {
      const after = await tx.operator.update({ where: { id }, data: { passwordHash }, include: WITH_KEYS });
      await this.sessions.endAll(tx, id, sessionId);
      await this.operators.record(tx, operator.email, 'operator.change_password', operator, after);
    });
    return true;
  }

  /** A session of somebody who has shown who he is. @param action for the audit log; null: what led to it is in there */
  async begin(operator: OperatorRow, action: string | null): Promise<SignedIn> {
    const session = await this.prisma.$transaction(async (tx) => {
      const begun = await this.sessions.begin(tx, operator.id);
      if (action !== null) await this.operators.record(tx, operator.email, action, null, operator);
      return begun;
    });
    return { operator, ...session };
  }
}
