import { Injectable } from '@nestjs/common';
import { AuditLog, PrismaService, type Transaction } from '@app/database';
import { Clock, newId } from '@app/runtime';
import { StorageSettings } from '@app/storage';
import { dayOf } from './body-keys.js';
import { ERASURE_LOCK } from './body-table.js';

/** Whose bodies are meant, or of which day (UTC). */
export interface BodyErasureSubject {
  readonly kind: 'key' | 'group' | 'day';
  /** A UUID; of a day `2026-11-25`. */
  readonly id: string;
}

const DAY_MS = 86_400_000;
/** The lock waits for whoever is adding bodies. */
const TRANSACTION_MS_MAX = 20_000;

/** Takes bodies away for good. */
@Injectable()
export class BodyErasures {
  constructor(
    private readonly prisma: PrismaService,
    private readonly audit: AuditLog,
    private readonly settings: StorageSettings,
    private readonly clock: Clock,
  ) {}

  /**
   * When this resolves, bodies of requests that began until `erasedUntil` cannot be read any more, nor will any that are still on
   * their way be stored. Of a day the keys are dropped, and its rows go with their partition; all others are deleted and counted.
   */
  async erase(actor: string, { kind, id }: BodyErasureSubject): Promise<{ bodies: number | null; erasedUntil: Date }> {
    const erasedUntil = await this.prisma.$transaction(
      async (tx) => {
        const at = await this.begin(tx, { kind, id });
        const keys = kind === 'day' ? await tx.bodyKey.deleteMany({ where: { day: new Date(id) } }) : null;
        await this.audit.record(tx, {
          actor,
          action: 'bodies.erase',
          objectType: kind,
          objectId: kind === 'day' ? newId() : id,
          before: null,
          after: { [kind]: id, ...(keys ? { keysDropped: keys.count } : {}) },
        });
        return at;
      },
      { timeout: TRANSACTION_MS_MAX, maxWait: TRANSACTION_MS_MAX },
    );
    if (kind === 'day') return { bodies: null, erasedUntil };
    return { bodies: await this.finish(kind, id, erasedUntil), erasedUntil };
  }

  /** The first part of an erasure, in the transaction of another write: what is stored from now on is not of before. @returns until when */
  async begin(tx: Transaction, { kind, id }: BodyErasureSubject): Promise<Date> {
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext(${ERASURE_LOCK}))`;
    const [row] = await tx.$queryRaw<{ erased_at: Date }[]>`
      INSERT INTO body_erasures (subject, erased_at) VALUES (${`${kind}:${id}`}, clock_timestamp())
      ON CONFLICT (subject) DO UPDATE SET erased_at = excluded.erased_at RETURNING erased_at`;
    return row?.erased_at ?? new Date(this.clock.now());
  }

  /** The second part, when the first is committed. @returns how many bodies were deleted */
  finish(kind: 'key' | 'group', id: string, erasedUntil: Date): Promise<number> {
    return this.deleteRows(`${kind === 'key' ? 'key_id' : 'group_id'} = $3`, id, erasedUntil);
  }

  /**
   * Takes away the bodies of a session's requests that are in the log. What a body is of is told by its row only: those of requests
   * that are still running are not reached. @returns their number
   */
  eraseSession(sessionId: string): Promise<number> {
    const isOfSession = `(started_at, request_id) IN (
      SELECT started_at, id FROM request_log
      WHERE session_id = $3 AND started_at >= $1::timestamptz AND started_at < $1::timestamptz + interval '1 day')`;
    return this.deleteRows(isOfSession, sessionId, new Date(this.clock.now()));
  }

  /** Within a day PostgreSQL looks at one partition only, and only at what tells whose a body is. */
  private async deleteRows(condition: string, subject: string, until: Date): Promise<number> {
    let count = 0;
    const firstDayMs = until.getTime() - (this.settings.current.requestBodiesDays + 1) * DAY_MS;
    for (let atMs = firstDayMs; dayOf(atMs) <= dayOf(until.getTime()); atMs += DAY_MS) {
      const day = `${dayOf(atMs)}T00:00:00Z`;
      const { rowCount } = await this.prisma.pool.query(
        `DELETE FROM request_bodies
         WHERE started_at >= $1::timestamptz AND started_at < $1::timestamptz + interval '1 day' AND started_at <= $2
           AND ${condition}`,
        [day, until, subject],
      );
      count += rowCount ?? 0;
    }
    return count;
  }
}
