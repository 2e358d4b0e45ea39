import { Get, Header, Param, Query, Req } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProduces } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { BodySearch } from '@app/bodies';
import { idOf, ListRequestsQuery, type Page, type Request, RequestDetail, RequestList } from '@app/contract';
import { type RequestRow, RequestSearch } from '@app/journal';
import { Permit } from '../identity/permissions.js';
import { AdminProblem } from '../http/admin-problem.js';
import { AdminController } from './admin.decorators.js';
import { curlCommand, gatewayUrl } from './curl-command.js';
import { page, pageRequest } from './page.js';
import { toRequestFilter } from './request-query.js';
import { toRequest } from './shown-request.js';

@AdminController('requests')
export class RequestsController {
  constructor(
    private readonly requests: RequestSearch,
    private readonly bodies: BodySearch,
  ) {}

  @Get()
  @Permit('requests:read')
  @ApiOperation({ summary: 'Find requests, newest first, or by what they took, cost or used' })
  @ApiOkResponse({ standardSchema: RequestList })
  async list(@Query({ schema: ListRequestsQuery }) query: ListRequestsQuery): Promise<Page<Request>> {
    const { limit, beforeId } = pageRequest(query, 'request');
    const order = { sort: query.sort, isDescending: query.order === 'desc' };
    const rows = await this.requests.list(toRequestFilter(query), { limit, afterId: beforeId, ...order });
    return page(rows, query.limit, 'request', toRequest);
  }

  @Get(':id')
  @Permit('requests:read')
  @ApiOperation({ summary: 'Read a request by the id that its client saw as x-request-id' })
  @ApiOkResponse({ standardSchema: RequestDetail })
  async find(@Param('id', { schema: idOf('request') }) id: string): Promise<RequestDetail> {
    const row = await this.rowOf(id);
    return { ...toRequest(row), has_body: await this.bodies.isStored(id, row.started_at) };
  }

  @Get(':id/curl')
  @Permit('requests:read')
  @ApiOperation({
    summary: 'A shell command that makes such a request',
    description:
      'The key is $TOLLGATE_API_KEY; the input is a placeholder: /requests/{id}/body has it where bodies are stored.',
  })
  @ApiProduces('text/plain')
  @ApiOkResponse({ schema: { type: 'string' } })
  @Header('content-type', 'text/plain; charset=utf-8')
  async curl(@Param('id', { schema: idOf('request') }) id: string, @Req() request: FastifyRequest): Promise<string> {
    return curlCommand(await this.rowOf(id), gatewayUrl(request));
  }

  private async rowOf(id: string): Promise<RequestRow> {
    const row = await this.requests.find(id);
    if (!row) throw noSuchRequest();
    return row;
  }
}

export function noSuchRequest(): AdminProblem {
  return AdminProblem.notFound('request (a new one takes a moment to arrive here)');
}
