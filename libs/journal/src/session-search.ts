import { Injectable } from '@nestjs/common';
import { Prisma, QuestionPool } from '@app/database';
import { conditionsOf, EVERY_REQUEST, type RequestFilter, startOf, whereOf } from './request-filter.js';

/** What the requests of one session come to. */
export interface SessionRow {
  session_id: string;
  /** Of its last request, as are the key, the group, the client and how it ended. */
  id: string;
  key_id: string | null;
  key_name: string | null;
  group_id: string | null;
  group_name: string | null;
  client: string | null;
  status: number;
  outcome: string;
  first_at: Date;
  last_at: Date;
  models: string[];
  keys: bigint;
  requests: bigint;
  turns: bigint;
  compactions: bigint;
  /** Turns that lost the prompt cache, but for those that a compaction explains. */
  cache_drops: bigint;
  errors: bigint;
  active_ms: number;
  input_tokens: bigint;
  cached_tokens: bigint;
  output_tokens: bigint;
  reasoning_tokens: bigint;
  cost_nano_usd: bigint;
}

/** A page of sessions, last active first, that starts behind the one whose last request has the given id. */
export interface SessionPage {
  readonly limit: number;
  readonly afterId: string | null;
}

const LAST = Prisma.sql`session_id, started_at, id, key_id, key_name, group_id, group_name, client, status, outcome`;

/** The request log's read side: its sessions. A session is what the requests that a filter finds make of it. */
@Injectable()
export class SessionSearch {
  constructor(private readonly questions: QuestionPool) {}

  /**
   * Goes back through the rows in time and takes each that is the last one of its session, so that only as many sessions are
   * added up as are shown.
   */
  list(filter: RequestFilter, { limit, afterId }: SessionPage): Promise<SessionRow[]> {
    const further = [Prisma.sql`session_id <> ''`, Prisma.sql`(${laterRow(filter)}) IS NULL`];
    if (afterId !== null) further.push(Prisma.sql`(started_at, id) < (${startOf(afterId)}, ${afterId}::uuid)`);
    return this.addUp(
      filter,
      Prisma.sql`
        SELECT ${LAST} FROM request_log AS found ${whereOf(filter, ...further)}
        ORDER BY started_at DESC, id DESC LIMIT ${limit}`,
    );
  }

  /** @param ownKeys it is made of their requests only; null: of all */
  async find(sessionId: string, ownKeys: readonly string[] | null): Promise<SessionRow | null> {
    const filter = { ...EVERY_REQUEST, ownKeys };
    const [session] = await this.addUp(
      filter,
      Prisma.sql`
        SELECT ${LAST} FROM request_log ${whereOf(filter, Prisma.sql`session_id = ${sessionId}`)} ORDER BY started_at DESC, id DESC LIMIT 1`,
    );
    return session ?? null;
  }

  /** @param last the last row of each session */
  private addUp(filter: RequestFilter, last: Prisma.Sql): Promise<SessionRow[]> {
    return this.questions.ask<SessionRow>(Prisma.sql`
      SELECT last.*, added.*
      FROM (${last}) AS last
      CROSS JOIN LATERAL (
        SELECT min(started_at) AS first_at, max(started_at) AS last_at,
          coalesce(array_agg(DISTINCT model) FILTER (WHERE model <> ''), '{}') AS models,
          count(DISTINCT key_id) AS keys, count(*) AS requests,
          count(*) FILTER (WHERE kind = 'response') AS turns, count(*) FILTER (WHERE kind = 'compaction') AS compactions,
          count(*) FILTER (WHERE cache_drop->>'cause' <> 'compaction') AS cache_drops,
          count(*) FILTER (WHERE outcome NOT IN ('ok', 'client_left')) AS errors, sum(duration_ms) AS active_ms,
          coalesce(sum(input_tokens), 0)::bigint AS input_tokens, coalesce(sum(cached_tokens), 0)::bigint AS cached_tokens,
          coalesce(sum(output_tokens), 0)::bigint AS output_tokens,
          coalesce(sum(reasoning_tokens), 0)::bigint AS reasoning_tokens,
          coalesce(sum(cost_nano_usd), 0)::bigint AS cost_nano_usd
        FROM request_log ${whereOf(filter, Prisma.sql`session_id = last.session_id`)}
      ) AS added
      ORDER BY last.started_at DESC, last.id DESC`);
  }
}

/** A subquery of its own for each row: as a join it would be made for all of them, however few are shown. */
function laterRow(filter: RequestFilter): Prisma.Sql {
  const conditions = [
    Prisma.sql`session_id = found.session_id`,
    Prisma.sql`started_at >= found.started_at AND (started_at, id) > (found.started_at, found.id)`,
    ...conditionsOf(filter),
  ];
  return Prisma.sql`SELECT true FROM request_log AS later WHERE ${Prisma.join(conditions, ' AND ')} LIMIT 1`;
}
