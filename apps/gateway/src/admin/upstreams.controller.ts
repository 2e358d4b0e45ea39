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
  type UpstreamHealth,
  UpstreamList,
  UpstreamProbe,
} from '@app/contract';
import type { SeenVersions } from '@app/database';
import { Clock } from '@app/runtime';
import {
  AddressPolicy,
  checkBaseUrl,
  checkProxyUrl,
  type HealthReport,
  probeUpstream,
  UpstreamCredentials,
  UpstreamDirectory,
  type UpstreamInput,
  type UpstreamRow,
  UpstreamsService,
} from '@app/upstreams';
import { IfMatch } from '../conditional/if-match.js';
import { tagged, type Tagged } from '../conditional/tagged.js';
import { Permit } from '../identity/permissions.js';
import { Actor } from '../identity/principal.js';
import { AdminProblem } from '../http/admin-problem.js';
import { AdminController } from './admin.decorators.js';
import { page, pageRequest } from './page.js';
import { shownUpstreamFields, toUpstreamChange } from './upstream-fields.js';

@AdminController('upstreams')
export class UpstreamsController {
  constructor(
    private readonly upstreams: UpstreamsService,
    private readonly directory: UpstreamDirectory,
    private readonly credentials: UpstreamCredentials,
    private readonly policy: AddressPolicy,
    private readonly clock: Clock,
  ) {}

  @Get()
  @Permit('upstreams:read')
  @ApiOperation({ summary: 'List upstreams, newest first' })
  @ApiOkResponse({ standardSchema: UpstreamList })
  async list(@Query({ schema: PageQuery }) query: PageQuery): Promise<Page<Upstream>> {
    const rows = await this.upstreams.list(pageRequest(query, 'upstream'));
    return page(rows, query.limit, 'upstream', (row) => this.toUpstream(row));
  }

  @Post()
  @Permit('upstreams:write')
  @ApiOperation({ summary: 'Add an upstream' })
  @ApiCreatedResponse({ standardSchema: Upstream })
  async create(
    @Actor() actor: string,
    @Body({ schema: CreateUpstream }) body: CreateUpstream,
  ): Promise<Tagged<Upstream>> {
    return this.shown(await this.upstreams.create(actor, await this.toInput(body)));
  }

  @Get(':id')
  @Permit('upstreams:read')
  @ApiOperation({ summary: 'Read an upstream' })
  @ApiOkResponse({ standardSchema: Upstream })
  async find(@Param('id', { schema: idOf('upstream') }) id: string): Promise<Tagged<Upstream>> {
    return this.shown(await this.existing(id));
  }

  @Patch(':id')
  @Permit('upstreams:write')
  @ApiOperation({ summary: 'Change an upstream; a new host without a credential clears the stored one' })
  @ApiOkResponse({ standardSchema: Upstream })
  async update(
    @Actor() actor: string,
    @Param('id', { schema: idOf('upstream') }) id: string,
    @Body({ schema: UpdateUpstream }) body: UpdateUpstream,
    @IfMatch() seen: SeenVersions,
  ): Promise<Tagged<Upstream>> {
    return this.shown(await this.upstreams.update(actor, id, await this.toInput(body), seen));
  }

  @Delete(':id')
  @Permit('upstreams:write')
  @HttpCode(204)
  @ApiOperation({ summary: 'Delete an upstream that no model names' })
  @ApiNoContentResponse()
  async remove(
    @Actor() actor: string,
    @Param('id', { schema: idOf('upstream') }) id: string,
    @IfMatch() seen: SeenVersions,
  ): Promise<void> {
    const result = await this.upstreams.remove(actor, id, seen);
    if (result === 'not_found') throw AdminProblem.notFound('upstream');
    if (result === 'in_use') throw AdminProblem.conflict('Models name this upstream. Take it out of them first.');
  }

  @Post(':id/test')
  @Permit('upstreams:write')
  @HttpCode(200)
  @ApiOperation({ summary: 'Ask the upstream for its models: is it there, does it take the credential' })
  @ApiOkResponse({ standardSchema: UpstreamProbe })
  async test(
    @Actor() actor: string,
    @Param('id', { schema: idOf('upstream') }) id: string,
  ): Promise<z.infer<typeof UpstreamProbe>> {
    const { baseUrl, credentialSealed, httpProxySealed, demo: isDemo } = await this.existing(id);
    const authorization = credentialSealed && `Bearer ${this.credentials.open(id, credentialSealed)}`;
    const { durationMs, ...probe } = await probeUpstream({
      baseUrl,
      authorization,
      policy: this.policy,
      isDemo,
      httpProxy: httpProxySealed && this.credentials.open(id, httpProxySealed),
    });
    await this.upstreams.noteTest(actor, id, probe.ok);
    return { ...probe, duration_ms: durationMs };
  }

  @Post(':id/trip')
  @Permit('upstreams:write')
  @HttpCode(200)
  @ApiOperation({ summary: 'Take the upstream out of use on all replicas, until it is reset; running answers finish' })
  @ApiOkResponse({ standardSchema: Upstream })
  async trip(
    @Actor() actor: string,
    @Param('id', { schema: idOf('upstream') }) id: string,
    @IfMatch() seen: SeenVersions,
  ): Promise<Tagged<Upstream>> {
    return this.shown(await this.upstreams.setTripped(actor, id, true, seen));
  }

  @Post(':id/reset')
  @Permit('upstreams:write')
  @HttpCode(200)
  @ApiOperation({ summary: 'Put the upstream back into use with a closed circuit, on all replicas' })
  @ApiOkResponse({ standardSchema: Upstream })
  async reset(
    @Actor() actor: string,
    @Param('id', { schema: idOf('upstream') }) id: string,
    @IfMatch() seen: SeenVersions,
  ): Promise<Tagged<Upstream>> {
    return this.shown(await this.upstreams.setTripped(actor, id, false, seen));
  }

  /** The service's names for what was given, with every address checked. */
  private async toInput(body: CreateUpstream): Promise<UpstreamInput>;
  private async toInput(body: UpdateUpstream): Promise<Partial<UpstreamInput>>;
  private async toInput(body: UpdateUpstream): Promise<Partial<UpstreamInput>> {
    const input = toUpstreamChange(body);
    if (input.baseUrl !== undefined) input.baseUrl = await this.checkedBaseUrl(input.baseUrl);
    if (input.httpProxy) input.httpProxy = await this.checkedProxy(input.httpProxy);
    return input;
  }

  private async checkedBaseUrl(text: string): Promise<string> {
    const checked = await checkBaseUrl(text, this.policy);
    if ('problem' in checked) throw AdminProblem.invalid([{ path: 'base_url', message: checked.problem }]);
    return checked.baseUrl;
  }

  private async checkedProxy(text: string): Promise<string> {
    const problem = await checkProxyUrl(text, this.policy);
    if (problem !== null) throw AdminProblem.invalid([{ path: 'http_proxy', message: problem }]);
    return text;
  }

  private async existing(id: string): Promise<UpstreamRow> {
    const upstream = await this.upstreams.find(id);
    if (!upstream) throw AdminProblem.notFound('upstream');
    return upstream;
  }

  private shown(row: UpstreamRow | null): Tagged<Upstream> {
    if (!row) throw AdminProblem.notFound('upstream');
    return tagged(this.toUpstream(row), row);
  }

  private toUpstream(row: UpstreamRow): Upstream {
    const held = this.directory.all().find(({ id }) => id === row.id);
    const report = held?.health.report(this.clock.monotonic()) ?? null;
    return {
      id: toPublicId('upstream', row.id),
      ...shownUpstreamFields(row),
      credential_fingerprint: row.credentialFingerprint,
      extra_header_names: row.extraHeaderNames,
      http_proxy: this.shownProxy(row),
      demo: row.demo,
      state: stateOf(row, report),
      circuit: report?.circuit ?? 'closed',
      health: report && this.toHealth(report),
      created_at: row.createdAt.toISOString(),
      updated_at: row.updatedAt.toISOString(),
    };
  }

  private toHealth(report: HealthReport): UpstreamHealth {
    // Health keeps monotonic times; people read the wall clock.
    const offsetMs = this.clock.now() - this.clock.monotonic();
    const at = (ms: number | null) => (ms === null ? null : new Date(ms + offsetMs).toISOString());
    const rounded = (ms: number | null) => (ms === null ? null : Math.ceil(ms));
    return {
      circuit: report.circuit,
      tripped: report.isTripped,
      in_flight: report.inFlight,
      consecutive_failures: report.consecutiveFailures,
      opens_for_ms: rounded(report.opensForMs),
      cools_down_for_ms: rounded(report.coolsDownForMs),
      last_problem: report.lastProblem,
      last_problem_at: at(report.lastProblemAtMs),
      last_success_at: at(report.lastSuccessAtMs),
    };
  }

  private shownProxy({ id, httpProxySealed }: UpstreamRow): string | null {
    if (!httpProxySealed) return null;
    try {
      const url = new URL(this.credentials.open(id, httpProxySealed));
      url.password = '';
      return url.href;
    } catch {
      return null; // sealed under another MASTER_KEY
    }
  }
}

function stateOf(row: UpstreamRow, report: HealthReport | null): Upstream['state'] {
  if (!row.enabled) return 'disabled';
  if (!report) return row.demo ? 'standby' : 'unusable';
  if (report.isTripped) return 'tripped';
  if (report.circuit !== 'closed') return report.circuit;
  return report.coolsDownForMs === null ? 'healthy' : 'cooling_down';
}
