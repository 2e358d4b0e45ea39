import { Injectable } from '@nestjs/common';
import type { RequestSort } from '@app/contract';
import { Prisma, QuestionPool } from '@app/database';
import { EVERY_REQUEST, looksUpId, type RequestFilter, startOf, whereOf } from './request-filter.js';
import type { RequestRow } from './request-row.js';

/** A page of rows in an order, that starts behind the row of the given id. */
export interface RequestPage {
  readonly limit: number;
  readonly afterId: string | null;
  readonly sort: RequestSort;
  readonly isDescending: boolean;
}

const CHUNK_ROWS = 1_000;
const DAY_MS = 86_400_000;

const ROWS = Prisma.sql`SELECT *, host(client_ip) AS client_ip FROM request_log`;

/** Only the order of time has an index: the others sort all that is found. */
const SORTED: Readonly<Record<Exclude<RequestSort, 'started_at'>, string>> = {
  duration_ms: 'duration_ms',
  first_byte_ms: 'first_byte_ms',
  cost_usd: 'cost_nano_usd',
  input_tokens: 'input_tokens',
  output_tokens: 'output_tokens',
  total_tokens: '(input_tokens + output_tokens)',
};

/** The request log's read side: finds rows. */
@Injectable()
export class RequestSearch {
  constructor(private readonly questions: QuestionPool) {}

  /** Rows that lack what they are sorted by come last. */
  list(filter: RequestFilter, { limit, afterId, sort, isDescending }: RequestPage): Promise<RequestRow[]> {
    const direction = Prisma.raw(isDescending ? 'DESC' : 'ASC');
    const value = sort === 'started_at' ? null : sortedValue(SORTED[sort], isDescending);
    const further = afterId === null ? [] : [behind(afterId, value, isDescending)];
    const byValue = value === null ? Prisma.empty : Prisma.sql`${value} ${direction},`;
    return this.questions.ask<RequestRow>(
      Prisma.sql`${ROWS} ${whereOf(filter, ...further)}
        ORDER BY ${byValue} started_at ${direction}, id ${direction} LIMIT ${limit}`,
      { avoidsTableScans: looksUpId(filter) },
    );
  }

  /** The time is part of the id, so that only one partition is asked. */
  async find(id: string): Promise<RequestRow | null> {
    const [row] = await this.questions.ask<RequestRow>(
      Prisma.sql`${ROWS} WHERE started_at = ${startOf(id)} AND id = ${id}::uuid`,
    );
    return row ?? null;
  }

  /**
   * All rows, newest first, in chunks, each asked for when the one before it has been taken. A question looks through one day at
   * most, so that it ends in time however little there is to be found; the days on which nothing was logged are passed over.
   */
  async *chunks(filter: RequestFilter): AsyncGenerator<RequestRow[]> {
    let until = await this.newestBefore(filter, filter.to);
    while (until !== null) {
      const to = new Date(until.getTime() + 1);
      const from = new Date(Math.max(to.getTime() - DAY_MS, filter.from?.getTime() ?? -Infinity));
      let afterId: string | null = null;
      do {
        const rows: RequestRow[] = await this.list(
          { ...filter, from, to },
          { limit: CHUNK_ROWS, afterId, sort: 'started_at', isDescending: true },
        );
        if (rows.length > 0) yield rows;
        afterId = rows.length === CHUNK_ROWS ? (rows.at(-1)?.id ?? null) : null;
      } while (afterId !== null);
      until = await this.newestBefore(filter, from);
    }
  }

  /** When the newest row before a time started, whatever else is looked for. */
  private async newestBefore({ from }: RequestFilter, to: Date | null): Promise<Date | null> {
    const range = whereOf({ ...EVERY_REQUEST, from, to });
    const [newest] = await this.questions.ask<{ started_at: Date }>(
      Prisma.sql`SELECT started_at FROM request_log ${range} ORDER BY started_at DESC LIMIT 1`,
    );
    return newest?.started_at ?? null;
  }
}

/** Behind everything when there is none. */
function sortedValue(column: string, isDescending: boolean): Prisma.Sql {
  return Prisma.raw(`coalesce(${column}, ${isDescending ? '-1' : '9e15'})`);
}

/** In the order of a value, or of time alone, behind the row of an id. */
function behind(id: string, value: Prisma.Sql | null, isDescending: boolean): Prisma.Sql {
  const place = Prisma.sql`${startOf(id)}::timestamptz, ${id}::uuid`;
  const isBehind = Prisma.raw(isDescending ? '<' : '>');
  if (value === null) return Prisma.sql`(started_at, id) ${isBehind} (${place})`;
  const last = Prisma.sql`SELECT ${value} FROM request_log WHERE (started_at, id) = (${place})`;
  return Prisma.sql`(${value}, started_at, id) ${isBehind} ((${last}), ${place})`;
}
