import { Get, Query, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProduces } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { ExportRequestsQuery } from '@app/contract';
import { AuditLog } from '@app/database';
import { RequestSearch } from '@app/journal';
import { Clock, newId } from '@app/runtime';
import { Permit } from '../identity/permissions.js';
import { Actor, OwnKeys } from '../identity/principal.js';
import { AdminController } from './admin.decorators.js';
import { EXPORT_FORMATS, exportStream } from './request-export.js';
import { exportNote } from './request-export-note.js';
import { toRequestFilter } from './request-query.js';

@AdminController('requests/export')
export class RequestExportController {
  constructor(
    private readonly requests: RequestSearch,
    private readonly clock: Clock,
    private readonly audit: AuditLog,
  ) {}

  @Get()
  @Permit('requests:read', 'own')
  @ApiOperation({
    summary: 'All requests that the filters find, newest first, as a stream',
    description: 'A stream that breaks off is not whole: the connection is cut instead of ended.',
  })
  @ApiProduces('text/csv', 'application/x-ndjson')
  @ApiOkResponse({ schema: { type: 'string', format: 'binary' } })
  async export(
    @Actor() actor: string,
    @OwnKeys() ownKeys: readonly string[] | null,
    @Query({ schema: ExportRequestsQuery }) query: ExportRequestsQuery,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const format = EXPORT_FORMATS[query.format];
    // What comes in meanwhile is not part of it.
    const now = new Date(this.clock.now());
    const filter = toRequestFilter(query, ownKeys);
    const rows = this.requests.chunks({ ...filter, to: filter.to ?? now });
    const time = now.toISOString().slice(0, 19).replaceAll(/[-:]/g, '');
    const stream = await exportStream(rows, format);
    try {
      const reading = { actor, action: 'requests.export', objectType: 'request_log', objectId: newId() };
      await this.audit.note({ ...reading, after: exportNote(query) });
    } catch (error) {
      stream.destroy();
      throw error;
    }
    void reply
      .headers({
        'content-type': format.contentType,
        'content-disposition': `attachment; filename="requests-${time}Z.${query.format}"`,
        'cache-control': 'no-store',
      })
      .send(stream);
  }
}
