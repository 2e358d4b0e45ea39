import { Injectable } from '@nestjs/common';
import { Prisma, PrismaService } from '@app/database';
import { timeOfId } from '@app/runtime';
import type { RequestRow } from './request-row.js';

/** What to look for; every member narrows. */
export interface RequestFilter {
  keyId?: string;
  groupId?: string;
  model?: string;
  upstreamId?: string;
  /** An exact status, or a class such as 4 for 4xx. */
  status?: { exact: number } | { class: number };
  outcome?: string;
  kind?: string;
  sessionId?: string;
  from?: Date;
  to?: Date;
}

/** A page of rows, newest first, that starts behind the row of the given id. */
export interface RequestPage {
  limit: number;
  afterId: string | null;
}

/** The request log's read side. */
@Injectable()
export class RequestSearch {
  constructor(private readonly prisma: PrismaService) {}

  list(filter: RequestFilter, page: RequestPage): Promise<RequestRow[]> {
    const conditions = [...conditionsOf(filter), ...(page.afterId ? [behind(page.afterId)] : [])];
    const where = conditions.length > 0 ? Prisma.sql`WHERE ${Prisma.join(conditions, ' AND ')}` : Prisma.empty;
    return this.prisma.$queryRaw<RequestRow[]>(Prisma.sql`
      SELECT *, host(client_ip) AS client_ip FROM request_log ${where}
      ORDER BY started_at DESC, id DESC LIMIT ${page.limit}`);
  }

  /** The time is part of the id, so that only one partition is asked. */
  async find(id: string): Promise<RequestRow | null> {
    const startedAt = startOf(id);
    const [row] = await this.prisma.$queryRaw<RequestRow[]>(Prisma.sql`
      SELECT *, host(client_ip) AS client_ip FROM request_log WHERE started_at = ${startedAt} AND id = ${id}::uuid`);
    return row ?? null;
  }
}

function behind(id: string): Prisma.Sql {
  return Prisma.sql`(started_at, id) < (${startOf(id)}, ${id}::uuid)`;
}

function conditionsOf(filter: RequestFilter): Prisma.Sql[] {
  const { keyId, groupId, model, upstreamId, status, outcome, kind, sessionId, from, to } = filter;
  const conditions: Prisma.Sql[] = [];
  if (keyId) conditions.push(Prisma.sql`key_id = ${keyId}::uuid`);
  if (groupId) conditions.push(Prisma.sql`group_id = ${groupId}::uuid`);
  if (model !== undefined) conditions.push(Prisma.sql`model = ${model}`);
  if (upstreamId) conditions.push(Prisma.sql`upstream_id = ${upstreamId}::uuid`);
  if (status && 'exact' in status) conditions.push(Prisma.sql`status = ${status.exact}`);
  if (status && 'class' in status) conditions.push(Prisma.sql`status / 100 = ${status.class}`);
  if (outcome) conditions.push(Prisma.sql`outcome = ${outcome}`);
  if (kind) conditions.push(Prisma.sql`kind = ${kind}`);
  if (sessionId !== undefined) conditions.push(Prisma.sql`session_id = ${sessionId}`);
  if (from) conditions.push(Prisma.sql`started_at >= ${from}`);
  if (to) conditions.push(Prisma.sql`started_at < ${to}`);
  return conditions;
}

/** An id that is made up may name a time that no calendar holds. */
function startOf(id: string): Date {
  return new Date(Math.min(timeOfId(id), Date.UTC(9999, 0)));
}
