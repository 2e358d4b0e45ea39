import { setTimeout as delay } from 'node:timers/promises';
import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { type IdKind, toPublicId } from '@app/contract';
import { AuditLog, type Prisma, PrismaService, SYSTEM_ACTOR } from '@app/database';
import { Clock } from '@app/runtime';
import { AddressPolicy } from '@app/upstreams';
import { retryDelayMs } from './retry-delay.js';
import { postWebhook, type WebhookAnswer } from './webhook-request.js';
import { signatureOf, WebhookSecrets } from './webhook-secrets.js';

const POLL_MS = 1_000;
const IN_FLIGHT_MAX = 16;
/** One slow server must not take all of them. */
const IN_FLIGHT_PER_WEBHOOK_MAX = 4;
/** Longer than an attempt can take: whoever holds a delivery for so long has died. */
const LEASE = `interval '60 seconds'`;
const STOP_MS = 3_000;
const GONE = 410;

/** Only what is due, of webhooks that are not busy here. Rows that another replica is taking are passed over. */
const CLAIM = `
  WITH due AS (
    SELECT d.id FROM webhook_deliveries d JOIN webhooks w ON w.id = d.webhook_id
    WHERE d.state = 'pending' AND d.next_attempt_at <= now() AND w.enabled AND d.webhook_id <> ALL ($1::uuid[])
    ORDER BY d.next_attempt_at LIMIT ${IN_FLIGHT_PER_WEBHOOK_MAX} FOR UPDATE OF d SKIP LOCKED)
  UPDATE webhook_deliveries d SET attempts = attempts + 1, last_attempt_at = now(), next_attempt_at = now() + ${LEASE}
  FROM due WHERE d.id = due.id RETURNING d.id, d.webhook_id AS "webhookId", d.attempts`;

/** By the number of attempts: a replica that was slower than its lease must not overwrite what its successor found out. */
const SETTLE = `
  UPDATE webhook_deliveries SET state = $3, next_attempt_at = now() + $4 * interval '1 millisecond',
    last_status = $5, last_problem = $6, last_answer = $7
  WHERE id = $1 AND attempts = $2 AND state = 'pending'`;

const RELEASE = `
  UPDATE webhook_deliveries SET attempts = attempts - 1, next_attempt_at = now()
  WHERE id = $1 AND attempts = $2 AND state = 'pending'`;

/** A delivery of which this process makes the attempt of that number. */
export interface ClaimedDelivery {
  readonly id: string;
  readonly webhookId: string;
  readonly attempts: number;
}

type DeliveryDetails = Prisma.WebhookDeliveryGetPayload<{ include: { webhook: true; alert: true } }>;

/**
 * Sends alerts to webhooks. The queue is in PostgreSQL: it outlives the process, and each attempt is made by one replica. One
 * that dies between the answer and its note of it is followed by another attempt: a delivery comes at least once.
 */
@Injectable()
export class WebhookDeliverer implements OnApplicationBootstrap, OnApplicationShutdown {
  /** Attempts of this process by how they ended. */
  readonly attempts = { delivered: 0, failed: 0 };
  private readonly logger = new Logger(WebhookDeliverer.name);
  private readonly inFlight = new Map<string, { webhookId: string; done: Promise<void> }>();
  private readonly stop = new AbortController();
  private timer: NodeJS.Timeout | null = null;
  private claiming: Promise<void> | null = null;
  private isStopping = false;
  private isDatabaseAway = false;

  constructor(
    private readonly prisma: PrismaService,
    private readonly secrets: WebhookSecrets,
    private readonly policy: AddressPolicy,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => this.wake(), POLL_MS);
    this.timer.unref();
  }

  /** Running attempts get a moment to finish; what is cut then is left to the next process. */
  async onApplicationShutdown(): Promise<void> {
    this.isStopping = true;
    if (this.timer) clearInterval(this.timer);
    await this.claiming;
    const running = Promise.all([...this.inFlight.values()].map(({ done }) => done));
    const over = new AbortController();
    await Promise.race([running, delay(STOP_MS, undefined, { signal: over.signal }).catch(() => undefined)]);
    over.abort();
    this.stop.abort();
    await running;
  }

  /** Looks for due deliveries now, and not only at the next look round. */
  wake(): void {
    if (this.isStopping || this.claiming) return;
    this.claiming = this.claimDue()
      .then(
        () => (this.isDatabaseAway = false),
        (error: unknown) => this.noteDatabaseAway(error),
      )
      .then(() => void (this.claiming = null));
  }

  /** Makes a claimed delivery's attempt. @throws Error when PostgreSQL is away; it is tried again after its lease then */
  async attempt(claimed: ClaimedDelivery): Promise<void> {
    const delivery = await this.prisma.webhookDelivery.findUnique({
      where: { id: claimed.id },
      include: { webhook: true, alert: true },
    });
    if (!delivery) return; // deleted with its webhook meanwhile
    let answer: WebhookAnswer;
    try {
      answer = await this.send(delivery);
    } catch (error) {
      if (!this.stop.signal.aborted) throw error;
      await this.prisma.pool.query(RELEASE, [claimed.id, claimed.attempts]);
      return;
    }
    await this.settle(delivery, claimed.attempts, answer);
  }

  private async claimDue(): Promise<void> {
    while (!this.isStopping && this.inFlight.size + IN_FLIGHT_PER_WEBHOOK_MAX <= IN_FLIGHT_MAX) {
      const { rows } = await this.prisma.pool.query<ClaimedDelivery>(CLAIM, [this.busyWebhooks()]);
      if (rows.length === 0) return;
      for (const claimed of rows) this.begin(claimed);
    }
  }

  private begin(claimed: ClaimedDelivery): void {
    const done = this.attempt(claimed)
      .catch((error: unknown) => this.noteDatabaseAway(error))
      .then(() => {
        this.inFlight.delete(claimed.id);
        this.wake();
      });
    this.inFlight.set(claimed.id, { webhookId: claimed.webhookId, done });
  }

  private busyWebhooks(): string[] {
    const counts = new Map<string, number>();
    for (const { webhookId } of this.inFlight.values()) counts.set(webhookId, (counts.get(webhookId) ?? 0) + 1);
    return [...counts].filter(([, count]) => count >= IN_FLIGHT_PER_WEBHOOK_MAX).map(([webhookId]) => webhookId);
  }

  private async send({ webhook, alert }: DeliveryDetails): Promise<WebhookAnswer> {
    const nowMs = this.clock.now();
    let secrets: string[];
    try {
      secrets = [this.secrets.open(webhook.id, webhook.secretSealed)];
      const { previousSecretSealed, previousSecretExpiresAt } = webhook;
      if (previousSecretSealed && (previousSecretExpiresAt?.getTime() ?? 0) > nowMs) {
        secrets.push(this.secrets.open(webhook.id, previousSecretSealed));
      }
    } catch {
      return { status: null, problem: 'its secret cannot be opened with this MASTER_KEY: rotate it', answer: null };
    }
    const id = toPublicId('alert', alert.id);
    const timestampSeconds = Math.floor(nowMs / 1_000);
    const body = bodyOf(alert);
    return postWebhook({
      url: webhook.url,
      policy: this.policy,
      body,
      signal: this.stop.signal,
      headers: {
        'content-type': 'application/json',
        'user-agent': 'Tollgate',
        'webhook-id': id,
        'webhook-timestamp': String(timestampSeconds),
        'webhook-signature': signatureOf(id, timestampSeconds, body, secrets),
      },
    });
  }

  private async settle(delivery: DeliveryDetails, attempts: number, result: WebhookAnswer): Promise<void> {
    const { status, problem, answer } = result;
    this.attempts[problem === null ? 'delivered' : 'failed']++;
    // Whoever asks for a test waits for its answer.
    const isLast = status === GONE || delivery.alert.type === 'webhook.test';
    const delayMs = problem === null || isLast ? null : retryDelayMs(attempts);
    const state = problem === null ? 'delivered' : delayMs === null ? 'failed' : 'pending';
    await this.prisma.pool.query(SETTLE, [delivery.id, attempts, state, delayMs ?? 0, status, problem, answer]);
    if (status === GONE) await this.disable(delivery.webhook);
  }

  /** Its server said that it will never be there again. */
  private async disable({ id, name }: DeliveryDetails['webhook']): Promise<void> {
    await this.prisma.$transaction(async (tx) => {
      const { count } = await tx.webhook.updateMany({
        where: { id, enabled: true },
        data: { enabled: false, disabledReason: 'gone' },
      });
      if (count === 0) return;
      await failPending(tx, id, 'its webhook is gone');
      const write = { actor: SYSTEM_ACTOR, action: 'webhook.disable', objectType: 'webhook', objectId: id };
      await this.audit.record(tx, { ...write, before: { enabled: true }, after: { enabled: false, reason: 'gone' } });
    });
    this.logger.warn(`the webhook ${name} answered 410 and is disabled`);
  }

  /** Once per outage. */
  private noteDatabaseAway(error: unknown): void {
    if (!this.isDatabaseAway) this.logger.warn(`deliveries wait for PostgreSQL: ${String(error)}`);
    this.isDatabaseAway = true;
  }
}

/** Gives up what waits for a webhook: nobody wants a heap of old alerts when it is switched on again. */
export async function failPending(
  tx: Pick<PrismaService, 'webhookDelivery'>,
  webhookId: string,
  problem: string,
): Promise<void> {
  await tx.webhookDelivery.updateMany({
    where: { webhookId, state: 'pending' },
    data: { state: 'failed', lastProblem: problem },
  });
}

function bodyOf({
  type,
  createdAt,
  id,
  severity,
  message,
  objectType,
  objectId,
  data,
}: DeliveryDetails['alert']): string {
  return JSON.stringify({
    type,
    timestamp: createdAt.toISOString(),
    data: {
      alert_id: toPublicId('alert', id),
      severity,
      message,
      object_type: objectType,
      object_id: objectId && objectType && toPublicId(objectType as IdKind, objectId),
      ...(data as object),
    },
  });
}
