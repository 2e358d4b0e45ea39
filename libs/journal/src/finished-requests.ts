import { Injectable } from '@nestjs/common';
import { Prisma, PrismaService } from '@app/database';
import { timeOfId } from '@app/runtime';
import type { RequestRow } from './request-row.js';

/** Replicas put their rows into the log up to this long after one another. */
const DISORDER_MS = 5_000;
/** There is no index on the end of requests: those that ran for longer are not looked for. */
const DURATION_MS_MAX = 15 * 60_000;

const COLUMNS = Prisma.sql`request_log.*, host(client_ip) AS client_ip`;

/** Rows of the log in the order in which their requests ended. */
@Injectable()
export class FinishedRequests {
  constructor(private readonly prisma: PrismaService) {}

  /** The rows of these ids, in their order; those that are not there are left out. */
  async byIds(ids: readonly string[]): Promise<RequestRow[]> {
    if (ids.length === 0) return [];
    // The time is part of the id, so that only partitions that can have the row are asked.
    const rows = await this.prisma.$queryRaw<RequestRow[]>(Prisma.sql`
      SELECT ${COLUMNS} FROM unnest(${ids.map(startOf)}::timestamptz[], ${ids}::uuid[]) AS told(started_at, id)
      JOIN request_log USING (started_at, id)`);
    const found = new Map(rows.map((row) => [row.id, row]));
    return ids.flatMap((id) => found.get(id) ?? []);
  }

  /**
   * Requests that ended after this one, or up to five seconds before it, oldest end first. Of more than `rowsMax` the newest,
   * and one more. One that is not in the log counts as if it had ended when it began.
   */
  async since(id: string, rowsMax: number): Promise<RequestRow[]> {
    const [last] = await this.byIds([id]);
    const endedAtMs = last ? endOf(last) : timeOfId(id);
    const from = new Date(endedAtMs - DISORDER_MS);
    const startedFrom = new Date(from.getTime() - DURATION_MS_MAX);
    const rows = await this.prisma.$queryRaw<RequestRow[]>(Prisma.sql`
      SELECT ${COLUMNS} FROM request_log
      WHERE started_at >= ${startedFrom} AND started_at + duration_ms * interval '1 millisecond' >= ${from}
        AND id <> ${id}::uuid
      ORDER BY started_at DESC, id DESC LIMIT ${rowsMax + 1}`);
    return rows.toSorted((one, other) => endOf(one) - endOf(other));
  }
}

function endOf({ started_at: startedAt, duration_ms: durationMs }: RequestRow): number {
  return startedAt.getTime() + durationMs;
}

/** An id that is made up may name a time that no calendar holds. */
function startOf(id: string): Date {
  return new Date(Math.min(timeOfId(id), Date.UTC(9999, 0)));
}
