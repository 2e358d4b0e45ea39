import { Get, Query, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import {
  AuditEntry,
  AuditEntryList,
  AuditVerification,
  ListAuditQuery,
  type Page,
  publicIdOf,
  toPublicId,
  VerifyAuditQuery,
} from '@app/contract';
import { AuditChain, type AuditRow, AuditSearch } from '@app/database';
import { Permit } from '../identity/permissions.js';
import { AdminController } from './admin.decorators.js';
import { given } from './given.js';

/** Who has done what. */
@AdminController('audit')
export class AuditController {
  constructor(
    private readonly entries: AuditSearch,
    private readonly chain: AuditChain,
  ) {}

  @Get()
  @Permit('audit:read')
  @ApiOperation({ summary: 'List what was done in the control plane, newest first' })
  @ApiOkResponse({ standardSchema: AuditEntryList })
  async list(@Query({ schema: ListAuditQuery }) query: ListAuditQuery): Promise<Page<AuditEntry>> {
    const { actor, action, object_type: objectType, object: objectId, request_id: requestId, cursor, limit } = query;
    const rows = await this.entries.list(given({ actor, action, objectType, objectId, requestId, ...rangeOf(query) }), {
      limit: limit + 1,
      beforeSequence: cursor === undefined ? null : BigInt(cursor),
    });
    const shown = rows.slice(0, limit);
    const last = rows.length > limit ? shown.at(-1) : undefined;
    return { data: shown.map(toEntry), next_cursor: last ? String(last.sequence) : null };
  }

  @Get('verify')
  @Permit('audit:read')
  @ApiOperation({
    summary: 'Follow the chain of the audit log: is every entry there, and as it was written',
    description: 'It ends at the first fault.',
  })
  @ApiOkResponse({ standardSchema: AuditVerification })
  async verify(
    @Query({ schema: VerifyAuditQuery }) query: VerifyAuditQuery,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<AuditVerification> {
    const found = await this.chain.verify(given(rangeOf(query)), () => !reply.raw.destroyed);
    const { entries, first, last, brokenAt } = found;
    return {
      verified: brokenAt === null,
      entries,
      first_sequence: first === null ? null : Number(first),
      last_sequence: last === null ? null : Number(last),
      broken_at: brokenAt && { sequence: Number(brokenAt.sequence), reason: brokenAt.fault },
    };
  }
}

function rangeOf({ from, to }: VerifyAuditQuery) {
  return { from: from === undefined ? undefined : new Date(from), to: to === undefined ? undefined : new Date(to) };
}

function toEntry(row: AuditRow): AuditEntry {
  return {
    id: toPublicId('audit', row.id),
    sequence: Number(row.sequence),
    at: row.at.toISOString(),
    actor: row.actor,
    ip: row.ip,
    request_id: row.request_id,
    action: row.action,
    object_type: row.object_type,
    object_id: publicIdOf(row.object_type, row.object_id),
    before: row.before as AuditEntry['before'],
    after: row.after as AuditEntry['after'],
    hash: row.hash.toString('hex'),
  };
}
