import { Injectable } from '@nestjs/common';
import { AuditLog, type Prisma, PrismaService, type Transaction } from '@app/database';
import { newId } from '@app/runtime';
import { ErasureJob } from './erasure-job.js';

export type ErasureRow = Prisma.ErasureGetPayload<object>;

/** Whose requests are meant. */
export interface ErasureSubject {
  readonly kind: 'key' | 'group' | 'session';
  /** A UUID, or of a session what its client calls it. */
  readonly id: string;
}

/** What is erased along may wait for whoever is adding to it. */
const TRANSACTION_MS_MAX = 20_000;

/** Personal data of a key, a group or a session is taken out of the request log; what was counted stays. */
@Injectable()
export class Erasures {
  constructor(
    private readonly prisma: PrismaService,
    private readonly audit: AuditLog,
    private readonly job: ErasureJob,
  ) {}

  /**
   * Begins; all requests are meant that have begun by now, wherever their rows still are.
   *
   * @param along what else is erased, as part of the same write
   */
  async begin(
    actor: string,
    { kind, id: subject }: ErasureSubject,
    along: (tx: Transaction) => Promise<unknown> = () => Promise.resolve(),
  ): Promise<ErasureRow> {
    const id = newId();
    const row = await this.prisma.$transaction(
      async (tx) => {
        await along(tx);
        const begun = await tx.erasure.create({ data: { id, subjectKind: kind, subject } });
        // What a session is called is personal itself.
        const after = kind === 'session' ? { subjectKind: kind } : { subjectKind: kind, subject };
        const write = { actor, action: 'erasure.begin', objectType: 'erasure', objectId: id };
        await this.audit.record(tx, { ...write, before: null, after });
        return begun;
      },
      { timeout: TRANSACTION_MS_MAX, maxWait: TRANSACTION_MS_MAX },
    );
    this.job.wake();
    return row;
  }

  find(id: string): Promise<ErasureRow | null> {
    return this.prisma.erasure.findUnique({ where: { id } });
  }

  /** Newest first; `beforeId` is the last id of the page before. */
  list(page: { limit: number; beforeId: string | null }): Promise<ErasureRow[]> {
    return this.prisma.erasure.findMany({
      where: page.beforeId ? { id: { lt: page.beforeId } } : {},
      orderBy: { id: 'desc' },
      take: page.limit,
    });
  }
}
