import { createHash } from 'node:crypto';
import { Controller, Get, Param, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { ModelCatalog } from '@app/models';
import { errors } from '@app/protocol';
import type { GatewayRequest } from '../http/gateway-request.js';
import { ModelPermissions } from './model-permissions.js';

interface ListedModel {
  id: string;
  object: 'model';
  created: number;
  owned_by: string;
}

/** `GET /v1/models`: what the caller may use. */
@ApiExcludeController()
@Controller(['v1/models', 'models'])
export class ModelsController {
  constructor(
    private readonly permissions: ModelPermissions,
    private readonly catalog: ModelCatalog,
  ) {}

  /** The SDKs read `data`, Codex reads `models`: an empty list makes it keep its own catalogue (codex-cli.md §5). */
  @Get()
  list(@Req() request: GatewayRequest, @Res() reply: FastifyReply): void {
    const data = this.permissions.visibleModels(request.caller).map((id) => this.describe(id));
    answer(request, reply, { object: 'list', data, models: [] });
  }

  /** The last segment is a wildcard: model names may hold slashes. */
  @Get('*')
  find(@Req() request: GatewayRequest, @Res() reply: FastifyReply, @Param('*') id: string): void {
    const { caller, record } = request;
    record.kind = 'models';
    if (!this.permissions.allows(caller, id)) {
      throw errors.modelNotAllowed(id, this.permissions.visibleModels(caller));
    }
    answer(request, reply, this.describe(id));
  }

  private describe(id: string): ListedModel {
    return { id, object: 'model', created: this.catalog.find(id)?.createdAtSeconds ?? 0, owned_by: 'tollgate' };
  }
}

/** Answers with JSON and its tag, or with 304 when the client says that it has just that. */
function answer({ headers, record }: GatewayRequest, reply: FastifyReply, value: object): void {
  record.kind = 'models';
  const body = Buffer.from(JSON.stringify(value));
  const tag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
  // What one key may see is not for another's cache.
  void reply.headers({ etag: tag, 'cache-control': 'private, no-cache' });
  const known = headers['if-none-match']?.split(',').map((part) => part.trim().replace(/^W\//, ''));
  if (known?.some((part) => part === tag || part === '*')) {
    void reply.code(304).send();
    return;
  }
  record.responseBytes = body.length;
  void reply.header('content-type', 'application/json; charset=utf-8').send(body);
}
