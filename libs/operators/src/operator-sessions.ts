import { createHash, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { type Prisma, PrismaService, type Transaction } from '@app/database';
import { Clock, newId } from '@app/runtime';

/** A session, with who has it. */
export type SessionOfOperator = Prisma.OperatorSessionGetPayload<{
  include: { operator: { include: { keys: true } } };
}>;

const SECRET_BYTES = 32;
const LASTS_MS = 12 * 3_600_000;
const IDLE_MS_MAX = 30 * 60_000;
/** When somebody was last seen is written no more often. */
const SEEN_EVERY_MS = 60_000;

/**
 * Who is signed in. Asked of the database with every request, which is only one of operators: what is ended is ended on all
 * replicas at once.
 */
@Injectable()
export class OperatorSessions {
  constructor(
    private readonly prisma: PrismaService,
    private readonly clock: Clock,
  ) {}

  /** A new one. @returns its secret, for the cookie */
  async begin(tx: Transaction, operatorId: string): Promise<{ secret: string; expiresAt: Date }> {
    const secret = randomBytes(SECRET_BYTES).toString('base64url');
    const now = this.clock.now();
    const expiresAt = new Date(now + LASTS_MS);
    // Whoever signs in clears away what is over, of everybody.
    await tx.operatorSession.deleteMany({ where: { expiresAt: { lt: new Date(now) } } });
    await tx.operatorSession.create({
      data: { id: newId(), operatorId, secretHash: hashOf(secret), lastSeenAt: new Date(now), expiresAt },
    });
    await tx.operator.update({ where: { id: operatorId }, data: { lastSeenAt: new Date(now) } });
    return { secret, expiresAt };
  }

  /** The session of a cookie; null when it is over, or was ended. */
  async find(secret: string): Promise<SessionOfOperator | null> {
    const session = await this.prisma.operatorSession.findUnique({
      where: { secretHash: hashOf(secret) },
      include: { operator: { include: { keys: true } } },
    });
    const nowMs = this.clock.now();
    if (!session?.operator.enabled || session.expiresAt.getTime() <= nowMs) return null;
    const idleMs = nowMs - session.lastSeenAt.getTime();
    if (idleMs > IDLE_MS_MAX) return null;
    if (idleMs > SEEN_EVERY_MS) await this.noteSeen(session, new Date(nowMs));
    return session;
  }

  async end(id: string): Promise<void> {
    await this.prisma.operatorSession.deleteMany({ where: { id } });
  }

  /** All of somebody's. @param exceptId one that goes on */
  async endAll(tx: Transaction, operatorId: string, exceptId: string | null = null): Promise<void> {
    await tx.operatorSession.deleteMany({
      where: { operatorId, ...(exceptId === null ? {} : { id: { not: exceptId } }) },
    });
  }

  /** Of many at once the one row is written. */
  private async noteSeen({ id, operatorId }: SessionOfOperator, lastSeenAt: Date): Promise<void> {
    await this.prisma.operatorSession.updateMany({ where: { id }, data: { lastSeenAt } });
    await this.prisma.operator.updateMany({ where: { id: operatorId }, data: { lastSeenAt } });
  }
}

/** The secret has 256 bits: nobody guesses it, and no slow hash is needed. */
export function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}
