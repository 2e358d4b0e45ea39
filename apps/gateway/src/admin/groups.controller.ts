import { Body, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import {
  BodyPolicy,
  CEILING_MISSING,
  CreateGroup,
  Group,
  GroupCheck,
  GroupCheckQuery,
  GroupList,
  idOf,
  type Page,
  PageQuery,
  toPublicId,
  UpdateGroup,
} from '@app/contract';
import { type GroupRow, GroupsService, modelRule } from '@app/groups';
import { Prisma, type SeenVersions } from '@app/database';
import type { StoredWindow } from '@app/limits';
import {
  formatMultiplier,
  fromStoredPrices,
  ModelCatalog,
  parseMultiplier,
  type StoredPrices,
  toStoredPrices,
} from '@app/models';
import { Routing } from '@app/upstreams';
import { IfMatch } from '../conditional/if-match.js';
import { tagged, type Tagged } from '../conditional/tagged.js';
import { Permit } from '../identity/permissions.js';
import { Actor } from '../identity/principal.js';
import { AdminProblem } from '../http/admin-problem.js';
import { AdminController } from './admin.decorators.js';
import { given } from './given.js';
import {
  shownLimits,
  shownModelLimits,
  shownWindow,
  type StoredModelLimits,
  toLimitColumns,
  toModelLimits,
  toStoredWindow,
} from './limit-fields.js';
import { page, pageRequest } from './page.js';
import { shownTokenPrices, toTokenPrices } from './price-fields.js';

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
    const { name, description, models } = body;
    const group = await this.groups.create(actor, { name, description, models, ...toPolicies(body) });
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
    const { name, description, models } = body;
    const changes = given({ name, description, models, ...toPolicies(body) });
    const group = await this.groups.update(actor, id, changes, seen);
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

/** The service's names for what was given. */
function toPolicies(body: UpdateGroup) {
  return given({
    onClientLeft: body.on_client_left,
    encryptedContentOnMove: body.encrypted_content_on_move,
    compactionOutput: body.compaction_output,
    automaticCompaction: body.automatic_compaction,
    modelLimits: body.model_limits?.map(toModelLimits) as Prisma.InputJsonArray | undefined,
    windows: body.windows?.map(toStoredWindow) as Prisma.InputJsonArray | undefined,
    timeZone: body.time_zone,
    limitMessage: body.limit_message,
    queueWaitMs: body.queue_wait_ms,
    priceMultiplier: body.price_multiplier,
    unpricedModels: body.unpriced_models,
    ceilingPrices: toCeiling(body.ceiling_prices),
    bodyPolicy: body.body_policy,
    redact: body.redact,
    ...toLimitColumns(body),
  });
}

function toCeiling(prices: UpdateGroup['ceiling_prices']) {
  if (prices === undefined) return undefined;
  return prices === null ? Prisma.DbNull : ({ ...toStoredPrices(toTokenPrices(prices)) } as Prisma.InputJsonObject);
}

function shownCeiling(stored: StoredPrices | null): Group['ceiling_prices'] {
  return stored && shownTokenPrices(fromStoredPrices(stored));
}

function toGroup(row: GroupRow): Group {
  return {
    id: toPublicId('group', row.id),
    name: row.name,
    description: row.description,
    models: row.models.map(({ pattern }) => pattern),
    on_client_left: row.onClientLeft as Group['on_client_left'],
    encrypted_content_on_move: row.encryptedContentOnMove as Group['encrypted_content_on_move'],
    compaction_output: row.compactionOutput as Group['compaction_output'],
    automatic_compaction: row.automaticCompaction,
    ...shownLimits(row),
    model_limits: (row.modelLimits as unknown as StoredModelLimits[]).map(shownModelLimits),
    windows: (row.windows as unknown as StoredWindow[]).map(shownWindow),
    time_zone: row.timeZone,
    limit_message: row.limitMessage,
    queue_wait_ms: row.queueWaitMs,
    price_multiplier: formatMultiplier(parseMultiplier(row.priceMultiplier.toFixed(4)) ?? 0n),
    unpriced_models: row.unpricedModels as Group['unpriced_models'],
    ceiling_prices: shownCeiling(row.ceilingPrices as unknown as StoredPrices | null),
    body_policy: BodyPolicy.parse(row.bodyPolicy),
    redact: row.redact as Group['redact'],
    key_count: row._count.keys,
    created_at: row.createdAt.toISOString(),
    updated_at: row.updatedAt.toISOString(),
  };
}
