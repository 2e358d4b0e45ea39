import { Injectable } from '@nestjs/common';
import { AuditLog, type Prisma, PrismaService } from '@app/database';
import { newId } from '@app/runtime';
import { ErasureJob } from './erasure-job.js';

export type ErasureRow = Prisma.ErasureGetPayload<object>;

/** Whose requests are meant. */
export interface ErasureSubject {
  readonly kind: 'key' | 'group' | 'session';
  /** A UUID, or of a session what its client calls it. */
  readonly id: string;
}

/** Personal data of a key, a group or a session is taken out of the request log; what was counted stays. */
@Injectable()
export class Erasures {
  constructor(
    private readonly prisma: PrismaService,
    private readonly audit: AuditLog,
    private readonly job: ErasureJob,
  ) {}

  /** Begins; all requests are meant that have begun by now, wherever their rows still are. */
  async begin(actor: string, { kind, id: subject }: ErasureSubject): Promise<ErasureRow> {
    const id = newId();
    const row = await this.prisma.$transaction(async (tx) => {
      // What a session is called is personal itself.
      const after = kind === 'session' ? { subjectKind: kind } : { subjectKind: kind, subject };
      await this.audit.record(tx, {
        actor,
        action: 'erasure.begin',
        objectType: 'erasure',
        objectId: id,
        before: null,
        after,
      });
      return tx.erasure.create({ data: { id, subjectKind: kind, subject } });
    });
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
