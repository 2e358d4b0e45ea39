import { Injectable } from '@nestjs/common';
import { PrismaService, readSetting, writeSetting } from '@app/database';
import { Clock, newId } from '@app/runtime';
import { makeToken, type OperatorRow, OperatorsService, type SignedIn, WITH_KEYS } from './operators.service.js';
import { hashOf } from './operator-sessions.js';
import { PasswordHasher } from './password-hasher.js';

const SETUP_SETTING = 'setup_link';
const SETUP_MS = 30 * 60_000;

/** By what somebody becomes an owner, once. */
interface SetupLink {
  readonly hash: string;
  readonly expires_at: string;
}

/** Lets people in who set their password by a link that they were given. */
@Injectable()
export class Invitations {
  constructor(
    private readonly prisma: PrismaService,
    private readonly operators: OperatorsService,
    private readonly hasher: PasswordHasher,
    private readonly clock: Clock,
  ) {}

  /** A link for the first owner; the one before is good for nothing any more. null: there are operators. */
  async makeSetupToken(): Promise<string | null> {
    if (!(await this.operators.isEmpty())) return null;
    const token = makeToken();
    const link: SetupLink = { hash: hashOf(token), expires_at: new Date(this.clock.now() + SETUP_MS).toISOString() };
    await writeSetting(this.prisma, SETUP_SETTING, { ...link });
    return token;
  }

  /**
   * Sets a password by such a link or by an invitation, and signs in. null: it is none, or is over.
   *
   * @param owner who becomes the first owner; null: somebody who was invited
   * @throws TooManyPasswords
   */
  async withToken(
    token: string,
    password: string,
    owner: { name: string; email: string } | null,
  ): Promise<SignedIn | null> {
    const isFirst = await this.isSetupToken(token);
    const invited = isFirst ? null : await this.invitedBy(token);
    if (isFirst ? owner === null : invited === null) return null;
    const passwordHash = await this.hasher.hash(password);
    const operator = await this.prisma.$transaction(async (tx) => {
      await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext('tollgate_owners'))`;
      const set = { passwordHash, inviteHash: null, inviteExpiresAt: null };
      if (invited) {
        // Two who follow the same link at once: the second is too late.
        const { count } = await tx.operator.updateMany({
          where: { id: invited.id, inviteHash: hashOf(token) },
          data: set,
        });
        if (count === 0) return null;
        const after = await tx.operator.findUniqueOrThrow({ where: { id: invited.id }, include: WITH_KEYS });
        await this.operators.record(tx, after.email, 'operator.set_up', invited, after);
        return after;
      }
      if (!owner || (await tx.operator.count()) > 0) return null;
      const created = await tx.operator.create({
        data: { id: newId(), ...owner, role: 'owner', permissions: [], ...set },
        include: WITH_KEYS,
      });
      await tx.setting.deleteMany({ where: { name: SETUP_SETTING } });
      await this.operators.record(tx, created.email, 'operator.set_up', null, created);
      return created;
    });
    return operator && this.operators.beginSession(operator, null);
  }

  /** Whether it is the link for the first owner; else it may be an invitation. */
  async isSetupToken(token: string): Promise<boolean> {
    const link = (await readSetting(this.prisma, SETUP_SETTING)) as unknown as SetupLink | undefined;
    return link !== undefined && link.hash === hashOf(token) && Date.parse(link.expires_at) > this.clock.now();
  }

  private async invitedBy(token: string): Promise<OperatorRow | null> {
    const operator = await this.prisma.operator.findUnique({
      where: { inviteHash: hashOf(token) },
      include: WITH_KEYS,
    });
    const isOpen = operator?.enabled && (operator.inviteExpiresAt?.getTime() ?? 0) > this.clock.now();
    return isOpen ? operator : null;
  }
}
