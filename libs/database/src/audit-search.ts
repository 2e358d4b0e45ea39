import { Injectable } from '@nestjs/common';
import { Prisma } from './generated/client.js';
import { QuestionPool } from './question-pool.js';

/** Which entries are meant: all that is given must hold. */
export interface AuditFilter {
  readonly actor?: string;
  /** One that ends in a dot stands for all that begin so. */
  readonly action?: string;
  readonly objectType?: string;
  readonly objectId?: string;
  /** At or after. */
  readonly from?: Date;
  /** Before. */
  readonly to?: Date;
  readonly requestId?: string;
}

/** An entry as stored. */
export interface AuditRow {
  readonly id: string;
  readonly sequence: bigint;
  readonly at: Date;
  readonly actor: string;
  readonly ip: string | null;
  readonly request_id: string | null;
  readonly action: string;
  readonly object_type: string;
  readonly object_id: string;
  readonly before: unknown;
  readonly after: unknown;
  readonly hash: Buffer;
}

/** The audit log's read side: finds entries. */
@Injectable()
export class AuditSearch {
  constructor(private readonly questions: QuestionPool) {}

  /** Newest first; `beforeSequence` is of the last entry of the page before. */
  list(filter: AuditFilter, page: { limit: number; beforeSequence: bigint | null }): Promise<AuditRow[]> {
    return this.questions.ask<AuditRow>(Prisma.sql`
      SELECT id, sequence, at, actor, host(ip) AS ip, request_id, action, object_type, object_id, before, after, hash
      FROM audit_entries
      WHERE ${Prisma.join(conditionsOf(filter, page.beforeSequence), ' AND ')}
      ORDER BY sequence DESC LIMIT ${page.limit}`);
  }
}

function conditionsOf(filter: AuditFilter, beforeSequence: bigint | null): Prisma.Sql[] {
  const { actor, action, objectType, objectId, from, to, requestId } = filter;
  return [
    Prisma.sql`true`,
    ...(beforeSequence === null ? [] : [Prisma.sql`sequence < ${beforeSequence}::bigint`]),
    ...(actor === undefined ? [] : [Prisma.sql`actor = ${actor}`]),
    ...(action === undefined ? [] : [isAction(action)]),
    ...(objectType === undefined ? [] : [Prisma.sql`object_type = ${objectType}`]),
    ...(objectId === undefined ? [] : [Prisma.sql`object_id = ${objectId}::uuid`]),
    ...(from === undefined ? [] : [Prisma.sql`at >= ${from}`]),
    ...(to === undefined ? [] : [Prisma.sql`at < ${to}`]),
    ...(requestId === undefined ? [] : [Prisma.sql`request_id = ${requestId}`]),
  ];
}

function isAction(action: string): Prisma.Sql {
  return action.endsWith('.') ? Prisma.sql`starts_with(action, ${action})` : Prisma.sql`action = ${action}`;
}
