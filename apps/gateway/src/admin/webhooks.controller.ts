import { Body, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import {
  type DeliveryRow,
  type IssuedWebhookRow,
  type WebhookRow,
  WebhooksService,
  webhookUrlProblem,
} from '@app/alerts';
import {
  CreateWebhook,
  idOf,
  IssuedWebhook,
  type Page,
  PageQuery,
  RotateWebhook,
  toPublicId,
  UpdateWebhook,
  Webhook,
  WebhookDelivery,
  WebhookDeliveryList,
  WebhookList,
} from '@app/contract';
import type { SeenVersions } from '@app/database';
import { AddressPolicy } from '@app/upstreams';
import { IfMatch } from '../conditional/if-match.js';
import { tagged, type Tagged } from '../conditional/tagged.js';
import { Permit } from '../identity/permissions.js';
import { Actor } from '../identity/principal.js';
import { AdminProblem } from '../http/admin-problem.js';
import { AdminController } from './admin.decorators.js';
import { given } from './given.js';
import { page, pageRequest } from './page.js';

@AdminController('webhooks')
export class WebhooksController {
  constructor(
    private readonly webhooks: WebhooksService,
    private readonly policy: AddressPolicy,
  ) {}

  @Get()
  @Permit('alerts:read')
  @ApiOperation({ summary: 'List webhooks, newest first' })
  @ApiOkResponse({ standardSchema: WebhookList })
  async list(@Query({ schema: PageQuery }) query: PageQuery): Promise<Page<Webhook>> {
    return page(await this.webhooks.list(pageRequest(query, 'webhook')), query.limit, 'webhook', toWebhook);
  }

  @Post()
  @Permit('alerts:write')
  @ApiOperation({ summary: 'Have alerts sent to a URL; the secret that signs them is told this once' })
  @ApiCreatedResponse({ standardSchema: IssuedWebhook })
  async create(
    @Actor() actor: string,
    @Body({ schema: CreateWebhook }) body: CreateWebhook,
  ): Promise<Tagged<IssuedWebhook>> {
    await this.checkUrl(body.url);
    return toIssued(await this.webhooks.create(actor, body));
  }

  @Get(':id')
  @Permit('alerts:read')
  @ApiOperation({ summary: 'Read a webhook' })
  @ApiOkResponse({ standardSchema: Webhook })
  async find(@Param('id', { schema: idOf('webhook') }) id: string): Promise<Tagged<Webhook>> {
    const webhook = await this.existing(id);
    return tagged(toWebhook(webhook), webhook);
  }

  @Patch(':id')
  @Permit('alerts:write')
  @ApiOperation({ summary: 'Change a webhook; switched off, what waits for it is given up' })
  @ApiOkResponse({ standardSchema: Webhook })
  async update(
    @Actor() actor: string,
    @Param('id', { schema: idOf('webhook') }) id: string,
    @Body({ schema: UpdateWebhook }) body: UpdateWebhook,
    @IfMatch() seen: SeenVersions,
  ): Promise<Tagged<Webhook>> {
    if (body.url !== undefined) await this.checkUrl(body.url);
    const webhook = await this.webhooks.update(actor, id, given(body), seen);
    if (!webhook) throw AdminProblem.notFound('webhook');
    return tagged(toWebhook(webhook), webhook);
  }

  @Delete(':id')
  @Permit('alerts:write')
  @HttpCode(204)
  @ApiOperation({ summary: 'Delete a webhook with its deliveries' })
  @ApiNoContentResponse()
  async remove(
    @Actor() actor: string,
    @Param('id', { schema: idOf('webhook') }) id: string,
    @IfMatch() seen: SeenVersions,
  ): Promise<void> {
    if (!(await this.webhooks.remove(actor, id, seen))) throw AdminProblem.notFound('webhook');
  }

  @Post(':id/rotate')
  @Permit('alerts:write')
  @HttpCode(200)
  @ApiOperation({ summary: 'Give the webhook a new secret; deliveries are signed by both for the overlap' })
  @ApiOkResponse({ standardSchema: IssuedWebhook })
  async rotate(
    @Actor() actor: string,
    @Param('id', { schema: idOf('webhook') }) id: string,
    @Body({ schema: RotateWebhook.prefault({}) }) body: RotateWebhook,
    @IfMatch() seen: SeenVersions,
  ): Promise<Tagged<IssuedWebhook>> {
    const issued = await this.webhooks.rotate(actor, id, { overlapSeconds: body.overlap_seconds }, seen);
    if (!issued) throw AdminProblem.notFound('webhook');
    return toIssued(issued);
  }

  @Post(':id/test')
  @Permit('alerts:write')
  @HttpCode(200)
  @ApiOperation({ summary: 'Send a webhook.test alert now, once, and tell how it was answered' })
  @ApiOkResponse({ standardSchema: WebhookDelivery })
  async test(@Actor() actor: string, @Param('id', { schema: idOf('webhook') }) id: string): Promise<WebhookDelivery> {
    const delivery = await this.webhooks.test(actor, id);
    if (!delivery) throw AdminProblem.notFound('webhook');
    return toDelivery(delivery);
  }

  @Get(':id/deliveries')
  @Permit('alerts:read')
  @ApiOperation({ summary: 'List what was sent to a webhook, and what waits for it, newest first' })
  @ApiOkResponse({ standardSchema: WebhookDeliveryList })
  async deliveries(
    @Param('id', { schema: idOf('webhook') }) id: string,
    @Query({ schema: PageQuery }) query: PageQuery,
  ): Promise<Page<WebhookDelivery>> {
    await this.existing(id);
    const rows = await this.webhooks.deliveries(id, pageRequest(query, 'delivery'));
    return page(rows, query.limit, 'delivery', toDelivery);
  }

  private async checkUrl(url: string): Promise<void> {
    const problem = await webhookUrlProblem(url, this.policy);
    if (problem !== null) throw AdminProblem.invalid([{ path: 'url', message: problem }]);
  }

  private async existing(id: string): Promise<WebhookRow> {
    const webhook = await this.webhooks.find(id);
    if (!webhook) throw AdminProblem.notFound('webhook');
    return webhook;
  }
}

/** A webhook as the API shows it. */
export function toWebhook(row: WebhookRow): Webhook {
  return {
    id: toPublicId('webhook', row.id),
    name: row.name,
    url: row.url,
    types: row.types,
    enabled: row.enabled,
    managed_by: row.managedBy as Webhook['managed_by'],
    disabled_reason: row.disabledReason,
    secret_fingerprint: row.secretFingerprint,
    previous_secret_expires_at: row.previousSecretExpiresAt?.toISOString() ?? null,
    created_at: row.createdAt.toISOString(),
    updated_at: row.updatedAt.toISOString(),
  };
}

function toIssued({ webhook, secret }: IssuedWebhookRow): Tagged<IssuedWebhook> {
  return tagged({ ...toWebhook(webhook), secret }, webhook);
}

function toDelivery(row: DeliveryRow): WebhookDelivery {
  return {
    id: toPublicId('delivery', row.id),
    alert_id: toPublicId('alert', row.alertId),
    alert_type: row.alert.type,
    state: row.state as WebhookDelivery['state'],
    attempts: row.attempts,
    next_attempt_at: row.state === 'pending' ? row.nextAttemptAt.toISOString() : null,
    last_attempt_at: row.lastAttemptAt?.toISOString() ?? null,
    last_status: row.lastStatus,
    last_problem: row.lastProblem,
    last_answer: row.lastAnswer,
    created_at: row.createdAt.toISOString(),
  };
}
