import { Headers, type MessageEvent, Query, Res, Sse } from '@nestjs/common';
import { ApiHeader, ApiOkResponse, ApiOperation, ApiProduces } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Observable } from 'rxjs';
import { fromPublicId, LiveRequestsQuery } from '@app/contract';
import { AdminController } from '../admin/admin.decorators.js';
import { AdminProblem } from '../http/admin-problem.js';
import { LiveRequests } from './live-requests.js';

@AdminController('requests')
export class LiveRequestsController {
  constructor(private readonly live: LiveRequests) {}

  @Sse('live')
  @ApiOperation({
    summary: 'Follow requests as they end, at all replicas',
    description:
      'Server-sent events: `request` with a row of the log as data and its id as the id of the event, `started` with an OpenRequest, `gap` where events are missing, with `dropped` and `reason`.',
  })
  @ApiHeader({ name: 'last-event-id', required: false, description: 'Begin with what has ended since this request' })
  @ApiProduces('text/event-stream')
  @ApiOkResponse({ schema: { type: 'string' } })
  follow(
    @Query({ schema: LiveRequestsQuery }) query: LiveRequestsQuery,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Observable<MessageEvent> {
    return this.live.tail(query, lastIdOf(query, lastEventId), reply.raw);
  }
}

function lastIdOf({ after }: LiveRequestsQuery, lastEventId = ''): string | null {
  if (lastEventId === '') return after ?? null;
  const id = fromPublicId('request', lastEventId);
  if (id === null) throw AdminProblem.invalid([{ path: 'last-event-id', message: 'must be the id of a request' }]);
  return id;
}
