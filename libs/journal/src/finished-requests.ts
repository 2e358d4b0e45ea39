import { Injectable } from '@nestjs/common';
import { Prisma, QuestionPool } from '@app/database';
import { conditionsOf, EVERY_REQUEST, type RequestFilter, startOf } from './request-filter.js';
import type { RequestRow } from './request-row.js';

/** Replicas put their rows into the log up to this long after one another. */
const DISORDER_MS = 5_000;
/** There is no index on the end of requests: those that ran for longer are not looked for. */
const DURATION_MS_MAX = 15 * 60_000;

const COLUMNS = Prisma.sql`request_log.*, host(client_ip) AS client_ip`;

/** Rows of the log in the order in which their requests ended. */
@Injectable()
export class FinishedRequests {
  constructor(private readonly questions: QuestionPool) {}

  /** The rows of these ids that the filter finds, in their order; of more than `rowsMax` the last. */
  async byIds(
    ids: readonly string[],
    filter: RequestFilter = EVERY_REQUEST,
    rowsMax = ids.length,
  ): Promise<RequestRow[]> {
    if (ids.length === 0) return [];
    // The time is part of the id, so that only partitions that can have the row are asked.
    const rows = await this.questions.ask<RequestRow>(Prisma.sql`
      SELECT ${COLUMNS} FROM unnest(${ids.map(startOf)}::timestamptz[], ${ids}::uuid[]) WITH ORDINALITY AS told(started_at, id, place)
      JOIN request_log USING (started_at, id)
      WHERE ${Prisma.join([Prisma.sql`TRUE`, ...conditionsOf(filter)], ' AND ')}
      ORDER BY place DESC LIMIT ${rowsMax}`);
    return rows.toReversed();
  }

  /**
   * Requests that ended after this one, or up to five seconds before it, oldest end first; of more than `rowsMax` those that
   * started last. One that is not in the log counts as if it had ended when it began.
   */
  async since(id: string, filter: RequestFilter, rowsMax: number): Promise<RequestRow[]> {
    const [last] = await this.byIds([id]);
    const from = new Date((last ? endOf(last) : startOf(id).getTime()) - DISORDER_MS);
    const startedFrom = new Date(from.getTime() - DURATION_MS_MAX);
    const conditions = [
      Prisma.sql`started_at >= ${startedFrom} AND started_at + duration_ms * interval '1 millisecond' >= ${from}`,
      Prisma.sql`id <> ${id}::uuid`,
      ...conditionsOf(filter),
    ];
    const rows = await this.questions.ask<RequestRow>(Prisma.sql`
      SELECT ${COLUMNS} FROM request_log WHERE ${Prisma.join(conditions, ' AND ')}
      ORDER BY started_at DESC, id DESC LIMIT ${rowsMax}`);
    return rows.toSorted((one, other) => endOf(one) - endOf(other));
  }
}

function endOf({ started_at: startedAt, duration_ms: durationMs }: RequestRow): number {
  return startedAt.getTime() + durationMs;
}
