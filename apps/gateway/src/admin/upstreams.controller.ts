import { Body, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import type { z } from 'zod';
import {
  CreateUpstream,
  idOf,
  type Page,
  PageQuery,
  toPublicId,
  UpdateUpstream,
  Upstream,
  UpstreamList,
  UpstreamProbe,
} from '@app/contract';
import { Clock } from '@app/runtime';
import {
  normalizeBaseUrl,
  probeUpstream,
  UpstreamCredentials,
  UpstreamDirectory,
  type UpstreamRow,
  UpstreamsService,
} from '@app/upstreams';
import { ADMIN_ACTOR } from '../http/admin-token.js';
import { AdminProblem } from '../http/admin-problem.js';
import { AdminController } from './admin.decorators.js';
import { page, pageRequest } from './page.js';

@AdminController('upstreams')
export class UpstreamsController {
  constructor(
    private readonly upstreams: UpstreamsService,
    private readonly directory: UpstreamDirectory,
    private readonly credentials: UpstreamCredentials,
    private readonly clock: Clock,
  ) {}

  @Get()
  @ApiOperation({ summary: 'List upstreams, newest first' })
  @ApiOkResponse({ standardSchema: UpstreamList })
  async list(@Query({ schema: PageQuery }) query: PageQuery): Promise<Page<Upstream>> {
    const rows = await this.upstreams.list(pageRequest(query, 'upstream'));
    return page(rows, query.limit, 'upstream', (row) => this.toUpstream(row));
  }

  @Post()
  @ApiOperation({ summary: 'Add an upstream' })
  @ApiCreatedResponse({ standardSchema: Upstream })
  async create(@Body({ schema: CreateUpstream }) body: CreateUpstream): Promise<Upstream> {
    const { base_url: baseUrl, ...rest } = body;
    return this.toUpstream(await this.upstreams.create(ADMIN_ACTOR, { ...rest, baseUrl: checkedBaseUrl(baseUrl) }));
  }

  @Get(':id')
  @ApiOperation({ summary: 'Read an upstream' })
  @ApiOkResponse({ standardSchema: Upstream })
  async find(@Param('id', { schema: idOf('upstream') }) id: string): Promise<Upstream> {
    return this.toUpstream(await this.existing(id));
  }

  @Patch(':id')
  @ApiOperation({ summary: 'Change an upstream; a new host without a credential clears the stored one' })
  @ApiOkResponse({ standardSchema: Upstream })
  async update(
    @Param('id', { schema: idOf('upstream') }) id: string,
    @Body({ schema: UpdateUpstream }) body: UpdateUpstream,
  ): Promise<Upstream> {
    const { base_url: baseUrl, ...rest } = body;
    const changes = baseUrl === undefined ? rest : { ...rest, baseUrl: checkedBaseUrl(baseUrl) };
    const upstream = await this.upstreams.update(ADMIN_ACTOR, id, changes);
    if (!upstream) throw AdminProblem.notFound('upstream');
    return this.toUpstream(upstream);
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({ summary: 'Delete an upstream that no model names' })
  @ApiNoContentResponse()
  async remove(@Param('id', { schema: idOf('upstream') }) id: string): Promise<void> {
    const result = await this.upstreams.remove(ADMIN_ACTOR, id);
    if (result === 'not_found') throw AdminProblem.notFound('upstream');
    if (result === 'in_use') throw AdminProblem.conflict('Models name this upstream. Take it out of them first.');
  }

  @Post(':id/test')
  @HttpCode(200)
  @ApiOperation({ summary: 'Ask the upstream for its models: is it there, does it take the credential' })
  @ApiOkResponse({ standardSchema: UpstreamProbe })
  async test(@Param('id', { schema: idOf('upstream') }) id: string): Promise<z.infer<typeof UpstreamProbe>> {
    const { baseUrl, credentialSealed } = await this.existing(id);
    const authorization = credentialSealed && `Bearer ${this.credentials.open(id, credentialSealed)}`;
    const { durationMs, ...probe } = await probeUpstream(baseUrl, authorization);
    return { ...probe, duration_ms: durationMs };
  }

  private async existing(id: string): Promise<UpstreamRow> {
    const upstream = await this.upstreams.find(id);
    if (!upstream) throw AdminProblem.notFound('upstream');
    return upstream;
  }

  private toUpstream(row: UpstreamRow): Upstream {
    return {
      id: toPublicId('upstream', row.id),
      name: row.name,
      kind: row.kind,
      base_url: row.baseUrl,
      credential_fingerprint: row.credentialFingerprint,
      priority: row.priority,
      weight: row.weight,
      enabled: row.enabled,
      demo: row.demo,
      state: this.stateOf(row),
      created_at: row.createdAt.toISOString(),
      updated_at: row.updatedAt.toISOString(),
    };
  }

  private stateOf(row: UpstreamRow): Upstream['state'] {
    if (!row.enabled) return 'disabled';
    const held = this.directory.all().find(({ id }) => id === row.id);
    if (!held) return row.demo ? 'standby' : 'unreachable';
    return held.health.isHealthy(this.clock.monotonic()) ? 'healthy' : 'unreachable';
  }
}

function checkedBaseUrl(text: string): string {
  const baseUrl = normalizeBaseUrl(text);
  if (baseUrl === null) {
    throw AdminProblem.invalid([
      { path: 'base_url', message: 'must be an http(s) URL without user, query or fragment' },
    ]);
  }
  return baseUrl;
}
