import { Body, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import {
  CEILING_MISSING,
  CreateGroup,
  Group,
  GroupCheck,
  GroupCheckQuery,
  GroupList,
  idOf,
  type Page,
  PageQuery,
  UpdateGroup,
} from '@app/contract';
import { type GroupRow, GroupsService, modelRule } from '@app/groups';
import type { SeenVersions } from '@app/database';
import { ModelCatalog } from '@app/models';
import { Routing } from '@app/upstreams';
import { IfMatch } from '../conditional/if-match.js';
import { tagged, type Tagged } from '../conditional/tagged.js';
import { Permit } from '../identity/permissions.js';
import { Actor } from '../identity/principal.js';
import { AdminProblem } from '../http/admin-problem.js';
import { AdminController } from './admin.decorators.js';
import { toGroup, toGroupChange, toGroupInput } from './group-fields.js';
import { page, pageRequest } from './page.js';

@AdminController('groups')
export class GroupsController {
  constructor(
    private readonly groups: GroupsService,
    private readonly catalog: ModelCatalog,
    private readonly routing: Routing,
  ) {}

  @Get()
  @Permit('groups:read')
  @ApiOperation({ summary: 'List groups, newest first' })
  @ApiOkResponse({ standardSchema: GroupList })
  async list(@Query({ schema: PageQuery }) query: PageQuery): Promise<Page<Group>> {
    const rows = await this.groups.list(pageRequest(query, 'group'));
    return page(rows, query.limit, 'group', toGroup);
  }

  @Post()
  @Permit('groups:write')
  @ApiOperation({ summary: 'Make a group' })
  @ApiCreatedResponse({ standardSchema: Group })
  async create(@Actor() actor: string, @Body({ schema: CreateGroup }) body: CreateGroup): Promise<Tagged<Group>> {
    const group = await this.groups.create(actor, toGroupInput(body));
    return tagged(toGroup(group), group);
  }

  @Get(':id')
  @Permit('groups:read')
  @ApiOperation({ summary: 'Read a group' })
  @ApiOkResponse({ standardSchema: Group })
  async find(@Param('id', { schema: idOf('group') }) id: string): Promise<Tagged<Group>> {
    const group = await this.existing(id);
    return tagged(toGroup(group), group);
  }

  @Patch(':id')
  @Permit('groups:write')
  @ApiOperation({ summary: 'Change a group' })
  @ApiOkResponse({ standardSchema: Group })
  async update(
    @Actor() actor: string,
    @Param('id', { schema: idOf('group') }) id: string,
    @Body({ schema: UpdateGroup }) body: UpdateGroup,
    @IfMatch() seen: SeenVersions,
  ): Promise<Tagged<Group>> {
    const group = await this.groups.update(actor, id, toGroupChange(body), seen);
    if (!group) throw AdminProblem.notFound('group');
    if (group === 'no_ceiling') {
      throw AdminProblem.invalid([{ path: 'ceiling_prices', message: CEILING_MISSING }]);
    }
    return tagged(toGroup(group), group);
  }

  @Delete(':id')
  @Permit('groups:write')
  @HttpCode(204)
  @ApiOperation({ summary: 'Delete a group that has no keys' })
  @ApiNoContentResponse()
  async remove(
    @Actor() actor: string,
    @Param('id', { schema: idOf('group') }) id: string,
    @IfMatch() seen: SeenVersions,
  ): Promise<void> {
    const result = await this.groups.remove(actor, id, seen);
    if (result === 'not_found') throw AdminProblem.notFound('group');
    if (result === 'in_use')
      throw AdminProblem.conflict('The group has keys. Move them to another group or delete them.');
  }

  @Get(':id/check')
  @Permit('groups:read')
  @ApiOperation({ summary: 'Explain whether the group may use a model, and who would serve it' })
  @ApiOkResponse({ standardSchema: GroupCheck })
  async check(
    @Param('id', { schema: idOf('group') }) id: string,
    @Query({ schema: GroupCheckQuery }) { model }: GroupCheckQuery,
  ): Promise<GroupCheck> {
    const { name, models } = await this.existing(id);
    const canonical = this.catalog.find(model)?.name ?? model;
    const matched = models.find(({ pattern }) => {
      const rule = modelRule([pattern]);
      return rule.allows(model) || rule.allows(canonical);
    });
    const upstreams = this.routing
      .candidates({ model, affinity: null, holderId: null, makerId: null })
      .map(({ upstream }) => upstream.name);
    return {
      model,
      allowed: matched !== undefined,
      matched_pattern: matched?.pattern ?? null,
      canonical_model: canonical,
      upstreams,
      explanation: explain(name, model, matched?.pattern, upstreams),
    };
  }

  private async existing(id: string): Promise<GroupRow> {
    const group = await this.groups.find(id);
    if (!group) throw AdminProblem.notFound('group');
    return group;
  }
}

function explain(group: string, model: string, pattern: string | undefined, upstreams: readonly string[]): string {
  if (pattern === undefined) return `Group ${group} may not use ${model}: none of its model patterns matches.`;
  const allowed = `Group ${group} may use ${model}: its pattern ${pattern} matches`;
  return upstreams.length > 0
    ? `${allowed}. It would be served by ${upstreams.join(', then ')}.`
    : `${allowed}, but no upstream serves it.`;
}
