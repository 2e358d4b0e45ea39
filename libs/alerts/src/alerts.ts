import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import type { AlertType } from '@app/contract';
import { AuditLog, Prisma, PrismaService, SYSTEM_ACTOR, type Transaction } from '@app/database';
import { BatchWriter, Clock, newId } from '@app/runtime';
import type { RaisedAlert } from './alert.js';
import { WebhookDeliverer } from './webhook-deliverer.js';

const ALERTS_PENDING_MAX = 1_000;
const ALERTS_PER_BATCH_MAX = 20;
const DELAY_MS = 20;
const SHUTDOWN_FLUSH_MS = 2_000;
/** An event that goes on and on is offered to PostgreSQL this often. */
const REPEATED_AFTER_MS = 10_000;
const KEYS_REMEMBERED_MAX = 10_000;
/** Prisma's codes for values that no retry makes right. */
const UNSTORABLE = new Set(['P2000', 'P2005', 'P2006', 'P2007', 'P2020', 'P2023']);

interface PendingAlert {
  readonly id: string;
  readonly raisedAtMs: number;
  readonly alert: RaisedAlert;
}

/** Where events become alerts: a row, an entry in the audit log, and a delivery for each webhook that wants it. */
@Injectable()
export class Alerts implements OnApplicationShutdown {
  /** Alerts that were lost because PostgreSQL was away for too long; and those written by this process, by type. */
  dropped = 0;
  readonly written = new Map<AlertType, number>();
  private readonly logger = new Logger(Alerts.name);
  private readonly recentKeys = new LRUCache<string, true>({ max: KEYS_REMEMBERED_MAX, ttl: REPEATED_AFTER_MS });
  private readonly writer: BatchWriter<PendingAlert>;

  constructor(
    private readonly prisma: PrismaService,
    private readonly audit: AuditLog,
    private readonly deliverer: WebhookDeliverer,
    private readonly clock: Clock,
  ) {
    this.writer = new BatchWriter<PendingAlert>({
      write: (alerts) => this.writeAll(alerts),
      rowsPerBatchMax: ALERTS_PER_BATCH_MAX,
      delayMs: DELAY_MS,
      pendingMax: ALERTS_PENDING_MAX,
      onFailure: (error, pending) => this.logger.warn(`${pending} alerts wait for PostgreSQL: ${String(error)}`),
      onDropped: (count) => (this.dropped += count),
    });
  }

  /** Alerts not yet in PostgreSQL. */
  get pending(): number {
    return this.writer.pendingRows;
  }

  /**
   * Takes an event. Never throws, never waits, and may be called for the same event as often as it is seen: by its
   * `dedupeKey` it becomes one alert. While PostgreSQL is away the newest are kept.
   */
  raise(alert: RaisedAlert): void {
    // Whoever ends an alert makes room for the next one of its key.
    if (alert.resolves !== undefined) this.recentKeys.delete(alert.resolves);
    if (this.recentKeys.has(alert.dedupeKey)) return;
    this.recentKeys.set(alert.dedupeKey, true);
    const raisedAtMs = this.clock.now();
    this.writer.add({ id: newId(raisedAtMs), raisedAtMs, alert });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.writer.flush(SHUTDOWN_FLUSH_MS);
  }

  /** Each in a transaction of its own; those of a batch that fails half-way are found to be there when it comes again. */
  private async writeAll(alerts: readonly PendingAlert[]): Promise<void> {
    for (const pending of alerts) {
      try {
        const isNew = await this.prisma.$transaction((tx) => this.write(tx, pending));
        if (!isNew) continue;
        const { type } = pending.alert;
        this.written.set(type, (this.written.get(type) ?? 0) + 1);
        this.deliverer.wake();
      } catch (error) {
        if (!isUnstorable(error)) throw error;
        this.dropped++;
        this.logger.error(`an alert of type ${pending.alert.type} cannot be stored: ${String(error)}`);
      }
    }
  }

  /** false: it is known already, or ends nothing. */
  private async write(tx: Transaction, { id, raisedAtMs, alert }: PendingAlert): Promise<boolean> {
    const { type, severity, objectType, objectId, dedupeKey, resolves, message } = alert;
    const createdAt = new Date(raisedAtMs);
    if (resolves !== undefined) {
      const ended = await tx.alert.updateMany({
        where: { dedupeKey: resolves },
        data: { resolvedAt: createdAt, dedupeKey: `${resolves}:${id}` },
      });
      if (ended.count === 0) return false;
    }
    const data = storable<Prisma.InputJsonObject>({ ...alert.data });
    const row = { id, type, severity, objectType, objectId, dedupeKey, message: storable(message), data, createdAt };
    const inserted = await tx.alert.createMany({ data: [row], skipDuplicates: true });
    if (inserted.count === 0) return false;
    const wanting = { OR: [{ types: { isEmpty: true } }, { types: { has: type } }] };
    const webhooks = await tx.webhook.findMany({ where: { enabled: true, ...wanting }, select: { id: true } });
    const deliveries = webhooks.map((webhook) => ({ id: newId(), webhookId: webhook.id, alertId: id }));
    if (deliveries.length > 0) await tx.webhookDelivery.createMany({ data: deliveries });
    await this.audit.record(tx, {
      actor: SYSTEM_ACTOR,
      action: `alert.${type}`,
      objectType: objectId === null ? 'alert' : objectType,
      objectId: objectId ?? id,
      before: null,
      after: { alertId: id, severity, message: row.message, data },
    });
    return true;
  }
}

/** Names of models come from clients: what PostgreSQL cannot hold is taken out. */
function storable<T extends string | object>(value: T): T {
  const text = JSON.stringify(value, (_, field: unknown) =>
    typeof field === 'string' ? field.replaceAll('\0', '').replace(/\p{Surrogate}/gu, '\uFFFD') : field,
  );
  return JSON.parse(text) as T;
}

function isUnstorable(error: unknown): boolean {
  if (error instanceof Prisma.PrismaClientValidationError) return true;
  return error instanceof Prisma.PrismaClientKnownRequestError && UNSTORABLE.has(error.code);
}
