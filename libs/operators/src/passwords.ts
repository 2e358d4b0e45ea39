import { Injectable } from '@nestjs/common';
import { PrismaService } from '@app/database';
import { OperatorSessions } from './operator-sessions.js';
import { OperatorsService } from './operators.service.js';
import { PasswordHasher } from './password-hasher.js';

/** Passwords of operators who are known already. */
@Injectable()
export class Passwords {
  constructor(
    private readonly prisma: PrismaService,
    private readonly operators: OperatorsService,
    private readonly sessions: OperatorSessions,
    private readonly hasher: PasswordHasher,
  ) {}

  /** @throws TooManyPasswords */
  async isRight(id: string, password: string): Promise<boolean> {
    const { passwordHash } = await this.prisma.operator.findUniqueOrThrow({ where: { id } });
    return this.hasher.matches(passwordHash, password);
  }

  /** false: the current one is wrong. All other sessions end. @throws TooManyPasswords */
  async change(id: string, sessionId: string | null, current: string, next: string): Promise<boolean> {
    if (!(await this.isRight(id, current))) return false;
    const passwordHash = await this.hasher.hash(next);
    await this.prisma.$transaction(async (tx) => {
      const before = await tx.operator.findUniqueOrThrow({ where: { id }, include: { keys: true } });
      const after = await tx.operator.update({ where: { id }, data: { passwordHash }, include: { keys: true } });
      await this.sessions.endAll(tx, id, sessionId);
      await this.operators.record(tx, before.email, 'operator.change_password', before, after);
    });
    return true;
  }
}
