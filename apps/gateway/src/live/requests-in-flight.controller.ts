import { Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { idOf, OpenRequest, OpenRequestList, PageQuery } from '@app/contract';
import { Permit } from '../identity/permissions.js';
import { Actor } from '../identity/principal.js';
import { AdminController } from '../admin/admin.decorators.js';
import { pageRequest } from '../admin/page.js';
import { AdminProblem } from '../http/admin-problem.js';
import { OpenRequests } from './open-requests.js';

/** Requests that have not ended. */
@AdminController('requests')
export class RequestsInFlightController {
  constructor(private readonly open: OpenRequests) {}

  @Get('in-flight')
  @Permit('requests:read')
  @ApiOperation({ summary: 'List the requests that are open, at all replicas, oldest first' })
  @ApiOkResponse({ standardSchema: OpenRequestList })
  async list(@Query({ schema: PageQuery }) query: PageQuery): Promise<OpenRequestList> {
    const { limit, beforeId: afterId } = pageRequest(query, 'request');
    const { requests, silentReplicas } = await this.open.list(limit, afterId);
    const data = requests.slice(0, query.limit);
    const cursor = requests.length > query.limit ? (data.at(-1)?.id ?? null) : null;
    return { data, next_cursor: cursor, silent_replicas: silentReplicas };
  }

  @Post(':id/abort')
  @Permit('requests:write')
  @HttpCode(202)
  @ApiOperation({
    summary: 'End a request that is open, at whichever replica',
    description: 'Its client is told `aborted_by_operator`, its upstream is let go.',
  })
  @ApiAcceptedResponse({ standardSchema: OpenRequest })
  async abort(@Actor() actor: string, @Param('id', { schema: idOf('request') }) id: string): Promise<OpenRequest> {
    const aborted = await this.open.abort(actor, id);
    if (!aborted) throw AdminProblem.notFound('request that is open (it may have ended meanwhile)');
    return aborted;
  }
}
