import { Get, Header, Param, Query, Req } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProduces } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { BodySearch } from '@app/bodies';
import { idOf, ListRequestsQuery, type Page, type Request, RequestDetail, RequestList } from '@app/contract';
import { type RequestRow, RequestSearch } from '@app/journal';
import { Permit } from '../identity/permissions.js';
import { OwnKeys } from '../identity/principal.js';
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
  @Permit('requests:read', 'own')
  @ApiOperation({ summary: 'Find requests, newest first, or by what they took, cost or used' })
  @ApiOkResponse({ standardSchema: RequestList })
  async list(
    @OwnKeys() ownKeys: readonly string[] | null,
    @Query({ schema: ListRequestsQuery }) query: ListRequestsQuery,
  ): Promise<Page<Request>> {
    const { limit, beforeId } = pageRequest(query, 'request');
    const order = { sort: query.sort, isDescending: query.order === 'desc' };
    const rows = await this.requests.list(toRequestFilter(query, ownKeys), { limit, afterId: beforeId, ...order });
    return page(rows, query.limit, 'request', toRequest);
  }

  @Get(':id')
  @Permit('requests:read', 'own')
  @ApiOperation({ summary: 'Read a request by the id that its client saw as x-request-id' })
  @ApiOkResponse({ standardSchema: RequestDetail })
  async find(
    @OwnKeys() ownKeys: readonly string[] | null,
    @Param('id', { schema: idOf('request') }) id: string,
  ): Promise<RequestDetail> {
    const row = await this.rowOf(id, ownKeys);
    return { ...toRequest(row), has_body: await this.bodies.isStored(id, row.started_at) };
  }

  @Get(':id/curl')
  @Permit('requests:read', 'own')
  @ApiOperation({
    summary: 'A shell command that makes such a request',
    description:
      'The key is $TOLLGATE_API_KEY; the input is a placeholder: /requests/{id}/body has it where bodies are stored.',
  })
  @ApiProduces('text/plain')
  @ApiOkResponse({ schema: { type: 'string' } })
  @Header('content-type', 'text/plain; charset=utf-8')
  async curl(
    @OwnKeys() ownKeys: readonly string[] | null,
    @Param('id', { schema: idOf('request') }) id: string,
    @Req() request: FastifyRequest,
  ): Promise<string> {
    return curlCommand(await this.rowOf(id, ownKeys), gatewayUrl(request));
  }

  private async rowOf(id: string, ownKeys: readonly string[] | null): Promise<RequestRow> {
    const row = await this.requests.find(id);
    if (!row || !isOwn(row, ownKeys)) throw noSuchRequest();
    return row;
  }
}

/** Whether somebody may see a request; of one that he may not he is told that there is none. */
export function isOwn({ key_id: keyId }: RequestRow, ownKeys: readonly string[] | null): boolean {
  return ownKeys === null || (keyId !== null && ownKeys.includes(keyId));
}

export function noSuchRequest(): AdminProblem {
  return AdminProblem.notFound('request (a new one takes a moment to arrive here)');
}
