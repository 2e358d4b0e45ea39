import { Body, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { CreateModel, idOf, Model, ModelList, type Page, PageQuery, toPublicId, UpdateModel } from '@app/contract';
import type { SeenVersions } from '@app/database';
import { ModelsService } from '@app/models';
import { IfMatch } from '../conditional/if-match.js';
import { tagged, type Tagged } from '../conditional/tagged.js';
import { Permit } from '../identity/permissions.js';
import { Actor } from '../identity/principal.js';
import { AdminProblem } from '../http/admin-problem.js';
import { AdminController } from './admin.decorators.js';
import { toModel, toModelChange, toModelInput } from './model-fields.js';
import { page, pageRequest } from './page.js';

@AdminController('models')
export class ModelsAdminController {
  constructor(private readonly models: ModelsService) {}

  @Get()
  @Permit('models:read', 'own')
  @ApiOperation({ summary: 'List models, newest first' })
  @ApiOkResponse({ standardSchema: ModelList })
  async list(@Query({ schema: PageQuery }) query: PageQuery): Promise<Page<Model>> {
    const rows = await this.models.list(pageRequest(query, 'model'));
    return page(rows, query.limit, 'model', toModel);
  }

  @Post()
  @Permit('models:write')
  @ApiOperation({ summary: 'Register a model' })
  @ApiCreatedResponse({ standardSchema: Model })
  async create(@Actor() actor: string, @Body({ schema: CreateModel }) body: CreateModel): Promise<Tagged<Model>> {
    return accepted(await this.models.create(actor, toModelInput(body)));
  }

  @Get(':id')
  @Permit('models:read', 'own')
  @ApiOperation({ summary: 'Read a model' })
  @ApiOkResponse({ standardSchema: Model })
  async find(@Param('id', { schema: idOf('model') }) id: string): Promise<Tagged<Model>> {
    return accepted(await this.models.find(id));
  }

  @Patch(':id')
  @Permit('models:write')
  @ApiOperation({ summary: 'Change a model; a change of prices counts from now on' })
  @ApiOkResponse({ standardSchema: Model })
  async update(
    @Actor() actor: string,
    @Param('id', { schema: idOf('model') }) id: string,
    @Body({ schema: UpdateModel }) body: UpdateModel,
    @IfMatch() seen: SeenVersions,
  ): Promise<Tagged<Model>> {
    return accepted(await this.models.update(actor, id, toModelChange(body), seen));
  }

  @Delete(':id')
  @Permit('models:write')
  @HttpCode(204)
  @ApiOperation({ summary: 'Delete a model; its log rows stay' })
  @ApiNoContentResponse()
  async remove(
    @Actor() actor: string,
    @Param('id', { schema: idOf('model') }) id: string,
    @IfMatch() seen: SeenVersions,
  ): Promise<void> {
    if (!(await this.models.remove(actor, id, seen))) throw AdminProblem.notFound('model');
  }
}

function accepted(result: Awaited<ReturnType<ModelsService['update']>>): Tagged<Model> {
  if (!result) throw AdminProblem.notFound('model');
  if (!('refused' in result)) return tagged(toModel(result), result);
  if (result.refused === 'name_taken') {
    throw AdminProblem.conflict(`The name ${result.name} already leads to another model.`, 'name');
  }
  throw AdminProblem.invalid([
    { path: 'upstreams', message: `holds ${toPublicId('upstream', result.upstreamId)}, which does not exist` },
  ]);
}
