import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { PoolClient } from 'pg';
import { AuditLog, PrismaService, SYSTEM_ACTOR } from '@app/database';
import { ERASED_VALUES, IS_PERSONAL } from './erased-columns.js';

const ROWS_PER_BATCH_MAX = 2_000;
const LOOK_EVERY_MS = 60_000;
/** A day of a large group is searched without an index. */
const BATCH_MS_MAX = 300_000;
const DAY_MS = 86_400_000;
/** By then the statement is over that was writing rows when the erasure began, and did not know of it. */
const CONFIRMED_AFTER = '1 minute';
/** What a session is called is personal itself, but until then its rows may still come from the journal of a replica that is away. */
const SESSIONS_KNOWN_FOR = '7 days';

interface Due {
  readonly id: string;
  readonly subject_kind: 'key' | 'group' | 'session';
  readonly subject: string;
  readonly state: 'running' | 'confirming';
  readonly erased_until: Date | null;
  readonly created_at: Date;
}

const CONDITIONS = { key: 'key_id = $1::uuid', group: 'group_id = $1::uuid', session: 'session_id = $1' };

/** A batch, and how far it has come: one statement, so that whoever goes on after a crash begins where it ended. */
const batchOf = (kind: Due['subject_kind']) => `
WITH found AS (
  SELECT started_at, id FROM request_log
  WHERE ${CONDITIONS[kind]} AND started_at >= $2 AND started_at < $3 AND (${IS_PERSONAL})
  ORDER BY started_at, id LIMIT ${ROWS_PER_BATCH_MAX} FOR UPDATE
), erased AS (
  UPDATE request_log SET ${ERASED_VALUES} FROM found
  WHERE request_log.started_at = found.started_at AND request_log.id = found.id
    AND request_log.started_at >= $2 AND request_log.started_at < $3
  RETURNING request_log.started_at
), noted AS (
  UPDATE erasures SET rows = rows + (SELECT count(*) FROM erased),
    erased_until = CASE WHEN (SELECT count(*) FROM erased) < ${ROWS_PER_BATCH_MAX} THEN $3 ELSE (SELECT max(started_at) FROM erased) END
  WHERE id = $4::uuid
)
SELECT count(*)::int AS count, max(started_at) AS last FROM erased`;

/**
 * Works off erasures, a day at a time and in batches, so that nobody waits for it; one replica does, and another goes on where it
 * ended. A second pass is for rows that were being written when the first began; those that come later are erased as they come.
 */
@Injectable()
export class ErasureJob implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(ErasureJob.name);
  private timer: NodeJS.Timeout | null = null;
  private running: Promise<void> | null = null;
  private isAsked = false;
  private isStopping = false;

  constructor(
    private readonly prisma: PrismaService,
    private readonly audit: AuditLog,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => this.wake(), LOOK_EVERY_MS).unref();
    this.wake();
  }

  async onApplicationShutdown(): Promise<void> {
    this.isStopping = true;
    if (this.timer) clearInterval(this.timer);
    await this.running;
  }

  /** Looks for what is due, now or as soon as what runs has ended. */
  wake(): void {
    this.isAsked = true;
    this.running ??= this.work().finally(() => (this.running = null));
  }

  private async work(): Promise<void> {
    while (this.isAsked && !this.isStopping) {
      this.isAsked = false;
      try {
        await this.workOff();
      } catch (error) {
        this.logger.warn(`an erasure was cut short, and goes on in a minute: ${String(error)}`);
      }
    }
  }

  private async workOff(): Promise<void> {
    const connection = await this.prisma.pool.connect();
    try {
      const { rows } = await connection.query<{ mine: boolean }>(
        `SELECT pg_try_advisory_lock(hashtext('tollgate_erasures')) AS mine`,
      );
      if (!rows[0]?.mine) return;
      await connection.query(`SET statement_timeout = ${BATCH_MS_MAX}`);
      await connection.query(
        `UPDATE erasures SET subject = NULL
         WHERE subject_kind = 'session' AND state = 'done' AND subject IS NOT NULL AND created_at < now() - interval '${SESSIONS_KNOWN_FOR}'`,
      );
      for (;;) {
        const due = await nextDue(connection);
        if (due === null || !(await this.erase(connection, due))) return;
        await this.finish(due);
      }
    } finally {
      // Whoever asks next finds the lock free, not held until PostgreSQL has noticed that the connection is closed.
      await connection.query('SELECT pg_advisory_unlock_all()').catch(() => undefined);
      // With its time limit.
      connection.release(true);
    }
  }

  /** False when it was to stop. */
  private async erase(connection: PoolClient, due: Due): Promise<boolean> {
    const text = batchOf(due.subject_kind);
    let at = due.erased_until?.getTime() ?? (await oldestRowMs(connection));
    const endMs = due.created_at.getTime();
    while (at < endMs) {
      if (this.isStopping) return false;
      // Within a day PostgreSQL looks at one partition only.
      const dayEndMs = Math.min(endMs, (Math.floor(at / DAY_MS) + 1) * DAY_MS);
      const { rows } = await connection.query<{ count: number; last: Date | null }>(text, [
        due.subject,
        new Date(at),
        new Date(dayEndMs),
        due.id,
      ]);
      const [batch] = rows;
      at = batch?.last && batch.count === ROWS_PER_BATCH_MAX ? batch.last.getTime() : dayEndMs;
    }
    return true;
  }

  private async finish({ id, state }: Due): Promise<void> {
    if (state === 'running') {
      await this.prisma.$executeRaw`
        UPDATE erasures SET state = 'confirming', erased_until = NULL, first_finished_at = now(),
          next_run_at = created_at + ${CONFIRMED_AFTER}::interval
        WHERE id = ${id}::uuid`;
      return;
    }
    await this.prisma.$transaction(async (tx) => {
      const { rows } = await tx.erasure.update({ where: { id }, data: { state: 'done', erasedUntil: null } });
      await this.audit.record(tx, {
        actor: SYSTEM_ACTOR,
        action: 'erasure.end',
        objectType: 'erasure',
        objectId: id,
        before: null,
        after: { rows },
      });
    });
  }
}

async function nextDue(connection: PoolClient): Promise<Due | null> {
  const { rows } = await connection.query<Due>(
    `SELECT id, subject_kind, subject, state, erased_until, created_at FROM erasures
     WHERE state <> 'done' AND next_run_at <= now() ORDER BY id LIMIT 1`,
  );
  return rows[0] ?? null;
}

async function oldestRowMs(connection: PoolClient): Promise<number> {
  const { rows } = await connection.query<{ oldest: Date | null }>('SELECT min(started_at) AS oldest FROM request_log');
  return rows[0]?.oldest?.getTime() ?? Infinity;
}
