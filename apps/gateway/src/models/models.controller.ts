import { Controller, Get, Param, Req } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
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
  list(@Req() { caller, record }: GatewayRequest): { object: 'list'; data: ListedModel[]; models: [] } {
    record.kind = 'models';
    return { object: 'list', data: this.permissions.visibleModels(caller).map((id) => this.describe(id)), models: [] };
  }

  /** The last segment is a wildcard: model names may hold slashes. */
  @Get('*')
  find(@Req() { caller, record }: GatewayRequest, @Param('*') id: string): ListedModel {
    record.kind = 'models';
    const visible = this.permissions.visibleModels(caller);
    if (!this.permissions.allows(caller, id)) throw errors.modelNotAllowed(id, visible);
    return this.describe(id);
  }

  private describe(id: string): ListedModel {
    return { id, object: 'model', created: this.catalog.find(id)?.createdAtSeconds ?? 0, owned_by: 'tollgate' };
  }
}
