import { Headers, type MessageEvent, Query, Req, Res, Sse } from '@nestjs/common';
import { ApiHeader, ApiOkResponse, ApiOperation, ApiProduces } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Observable } from 'rxjs';
import { LiveRequestsQuery, toPublicId } from '@app/contract';
import { Permit } from '../identity/permissions.js';
import { LastingAccess } from '../identity/lasting-access.js';
import { OwnKeys, type PrincipalRequest } from '../identity/principal.js';
import { AdminController } from '../admin/admin.decorators.js';
import { toRequestFilter } from '../admin/request-query.js';
import { LiveRequests } from './live-requests.js';

@AdminController('requests')
export class LiveRequestsController {
  constructor(
    private readonly live: LiveRequests,
    private readonly access: LastingAccess,
  ) {}

  @Sse('live')
  @Permit('requests:read', 'own')
  @ApiOperation({
    summary: 'Follow requests as they end, at all replicas',
    description:
      'Server-sent events: `request` with a row of the log as data, `gap` where events are missing, with `missing` and `reason`. A reader that is too slow is cut off, and comes back with the id of the last event that it has read. It ends within seconds when whoever reads may no longer, or may see other keys than before.',
  })
  @ApiHeader({
    name: 'last-event-id',
    required: false,
    description: 'Id of an event, or of a request: begin with what has ended since',
  })
  @ApiProduces('text/event-stream')
  @ApiOkResponse({ schema: { type: 'string' } })
  follow(
    @OwnKeys() ownKeys: readonly string[] | null,
    @Query({ schema: LiveRequestsQuery }) { after, ...filters }: LiveRequestsQuery,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Req() request: PrincipalRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Observable<MessageEvent> {
    const lastId = lastEventId || (after === undefined ? null : toPublicId('request', after));
    const watch = (end: () => void) => this.access.watch(request, 'requests:read', end);
    return this.live.tail(toRequestFilter(filters, ownKeys), lastId, reply.raw, watch);
  }
}
