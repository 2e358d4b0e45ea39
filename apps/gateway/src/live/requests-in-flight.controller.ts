import { Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { idOf, ListOpenRequestsQuery, OpenRequest, OpenRequestList, type Page } from '@app/contract';
import { Clock, RedisConnection } from '@app/runtime';
import { AdminController } from '../admin/admin.decorators.js';
import { page, pageRequest } from '../admin/page.js';
import { ADMIN_ACTOR } from '../http/admin-token.js';
import { AdminProblem } from '../http/admin-problem.js';
import { RequestAborts } from './request-aborts.js';
import { type RequestInFlight, RequestsInFlight } from './requests-in-flight.js';
import { toOpenRequest } from './shown-in-flight.js';

/** Requests that have not ended. */
@AdminController('requests')
export class RequestsInFlightController {
  constructor(
    private readonly inFlight: RequestsInFlight,
    private readonly aborts: RequestAborts,
    private readonly clock: Clock,
    private readonly replicas: RedisConnection,
  ) {}

  @Get('in-flight')
  @ApiOperation({
    summary: 'List the requests that are open at this replica, oldest first',
    description: 'Each replica lists its own: `replica` says which one answers.',
  })
  @ApiOkResponse({ standardSchema: OpenRequestList })
  list(@Query({ schema: ListOpenRequestsQuery }) query: ListOpenRequestsQuery): Page<OpenRequest> {
    const { limit, beforeId } = pageRequest(query, 'request');
    const rows: { id: string; request: RequestInFlight }[] = [];
    for (const request of this.inFlight) {
      const { id } = request.record;
      if (beforeId === null || id > beforeId) rows.push({ id, request });
    }
    rows.sort((one, other) => (one.id < other.id ? -1 : 1));
    const nowMs = this.clock.monotonic();
    return page(rows.slice(0, limit), query.limit, 'request', ({ request }) =>
      toOpenRequest(request, nowMs, this.replicas.replicaId),
    );
  }

  @Post(':id/abort')
  @HttpCode(202)
  @ApiOperation({
    summary: 'End a request that is open, at whichever replica',
    description: 'Its client is told `aborted_by_operator`, its upstream is let go.',
  })
  @ApiAcceptedResponse({ standardSchema: OpenRequest })
  async abort(@Param('id', { schema: idOf('request') }) id: string): Promise<OpenRequest> {
    const aborted = await this.aborts.abort(ADMIN_ACTOR, id);
    if (!aborted) throw AdminProblem.notFound('request that is open (it may have ended meanwhile)');
    return aborted;
  }
}
