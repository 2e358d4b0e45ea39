import { Injectable } from '@nestjs/common';
import type { AlertType } from '@app/contract';
import { AuditLog, lockRow, type Prisma, PrismaService, type SeenVersions, type Transaction } from '@app/database';
import { Clock, newId } from '@app/runtime';
import { failPending, WebhookDeliverer } from './webhook-deliverer.js';
import { WebhookSecrets } from './webhook-secrets.js';

/** A webhook as stored; its secrets are only there sealed. */
export type WebhookRow = Prisma.WebhookGetPayload<object>;
export type DeliveryRow = Prisma.WebhookDeliveryGetPayload<{ include: { alert: true } }>;

export interface WebhookInput {
  name: string;
  /** Already checked. */
  url: string;
  /** Empty: all. */
  types: AlertType[];
  enabled: boolean;
  managedBy?: 'config';
}

/** A webhook together with its secret, which is told this once. */
export interface IssuedWebhookRow {
  webhook: WebhookRow;
  secret: string;
}

/**
 * Makes and changes webhooks. Every write is audited, and in force on all replicas when its promise resolves. One that is based on another
 * version than the webhook has throws StaleVersionError.
 */
@Injectable()
export class WebhooksService {
  constructor(
    private readonly prisma: PrismaService,
    private readonly secrets: WebhookSecrets,
    private readonly deliverer: WebhookDeliverer,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /** Newest first; `beforeId` is the last id of the page before. */
  list(page: { limit: number; beforeId: string | null }): Promise<WebhookRow[]> {
    return this.prisma.webhook.findMany({
      where: page.beforeId ? { id: { lt: page.beforeId } } : {},
      orderBy: { id: 'desc' },
      take: page.limit,
    });
  }

  find(id: string): Promise<WebhookRow | null> {
    return this.prisma.webhook.findUnique({ where: { id } });
  }

  /** Newest first. */
  deliveries(webhookId: string, page: { limit: number; beforeId: string | null }): Promise<DeliveryRow[]> {
    return this.prisma.webhookDelivery.findMany({
      where: { webhookId, ...(page.beforeId ? { id: { lt: page.beforeId } } : {}) },
      include: { alert: true },
      orderBy: { id: 'desc' },
      take: page.limit,
    });
  }

  async create(
    actor: string,
    input: WebhookInput,
    secret = WebhookSecrets.make(),
    within: Transaction | null = null,
  ): Promise<IssuedWebhookRow> {
    const id = newId();
    const webhook = await this.write(within, async (tx) => {
      const created = await tx.webhook.create({ data: { id, ...input, ...this.sealed(id, secret) } });
      await this.record(tx, actor, 'webhook.create', null, created);
      return created;
    });
    return { webhook, secret };
  }

  /** null when there is none. What waits for a webhook that is switched off is given up. */
  async update(
    actor: string,
    id: string,
    input: Partial<WebhookInput>,
    seen: SeenVersions = null,
    within: Transaction | null = null,
  ): Promise<WebhookRow | null> {
    return this.write(within, async (tx) => {
      await lockRow(tx, 'webhooks', id, seen);
      const before = await tx.webhook.findUnique({ where: { id } });
      if (!before) return null;
      const data = input.enabled === undefined ? input : { ...input, disabledReason: null };
      const after = await tx.webhook.update({ where: { id }, data });
      if (!after.enabled) await failPending(tx, id, 'its webhook was switched off');
      await this.record(tx, actor, 'webhook.update', before, after);
      return after;
    });
  }

  /** A new secret; deliveries carry the signature of the old one, too, for the overlap. null when there is no such webhook. */
  async rotate(
    actor: string,
    id: string,
    { overlapSeconds, secret = WebhookSecrets.make() }: { overlapSeconds: number; secret?: string | undefined },
    seen: SeenVersions = null,
    within: Transaction | null = null,
  ): Promise<IssuedWebhookRow | null> {
    const webhook = await this.write(within, async (tx) => {
      await lockRow(tx, 'webhooks', id, seen);
      const before = await tx.webhook.findUnique({ where: { id } });
      if (!before) return null;
      const overlap = {
        previousSecretSealed: overlapSeconds === 0 ? null : before.secretSealed,
        previousSecretExpiresAt: overlapSeconds === 0 ? null : new Date(this.clock.now() + overlapSeconds * 1_000),
      };
      const after = await tx.webhook.update({ where: { id }, data: { ...this.sealed(id, secret), ...overlap } });
      await this.record(tx, actor, 'webhook.rotate', before, after);
      return after;
    });
    return webhook && { webhook, secret };
  }

  /** Its deliveries go with it. false when there is none. */
  async remove(
    actor: string,
    id: string,
    seen: SeenVersions = null,
    within: Transaction | null = null,
  ): Promise<boolean> {
    return this.write(within, async (tx) => {
      await lockRow(tx, 'webhooks', id, seen, 'DELETE');
      const before = await tx.webhook.findUnique({ where: { id } });
      if (!before) return false;
      await tx.webhook.delete({ where: { id } });
      await this.record(tx, actor, 'webhook.delete', before, null);
      return true;
    });
  }

  /** Sends a `webhook.test` to this webhook alone, once, switched on or not, and waits for the answer. null: there is none. */
  async test(actor: string, id: string): Promise<DeliveryRow | null> {
    const alertId = newId();
    const claimed = { id: newId(), webhookId: id, attempts: 1 };
    const isThere = await this.prisma.$transaction(async (tx) => {
      await lockRow(tx, 'webhooks', id, null);
      const webhook = await tx.webhook.findUnique({ where: { id } });
      if (!webhook) return false;
      const { name } = webhook;
      await tx.alert.create({
        data: {
          id: alertId,
          type: 'webhook.test',
          severity: 'info',
          objectType: 'webhook',
          objectId: id,
          dedupeKey: `webhook.test:${alertId}`,
          message: `This is a test of the webhook ${name}.`,
          data: { name },
        },
      });
      const now = new Date();
      // Not due while it is under way here.
      const nextAttemptAt = new Date(now.getTime() + 60_000);
      await tx.webhookDelivery.create({ data: { ...claimed, alertId, lastAttemptAt: now, nextAttemptAt } });
      await this.record(tx, actor, 'webhook.test', null, webhook);
      return true;
    });
    if (!isThere) return null;
    await this.deliverer.attempt(claimed);
    return this.prisma.webhookDelivery.findUnique({ where: { id: claimed.id }, include: { alert: true } });
  }

  /** Nothing of webhooks is kept in memory: a write is in force when it is committed. */
  private write<T>(within: Transaction | null, work: (tx: Transaction) => Promise<T>): Promise<T> {
    return within ? work(within) : this.prisma.$transaction(work);
  }

  private sealed(id: string, secret: string) {
    return { secretSealed: this.secrets.seal(id, secret), secretFingerprint: WebhookSecrets.fingerprint(secret) };
  }

  private record(
    tx: Transaction,
    actor: string,
    action: string,
    before: WebhookRow | null,
    after: WebhookRow | null,
  ): Promise<void> {
    return this.audit.record(tx, {
      actor,
      action,
      objectType: 'webhook',
      objectId: (before ?? after)?.id ?? '',
      before: before && withoutSecrets(before),
      after: after && withoutSecrets(after),
    });
  }
}

/** Query strings of webhooks hold tokens. */
function withoutSecrets({
  secretSealed: _secretSealed,
  previousSecretSealed: _previousSecretSealed,
  url,
  ...rest
}: WebhookRow): object {
  return { ...rest, url: url.replace(/\?.*$/s, '?…') };
}
