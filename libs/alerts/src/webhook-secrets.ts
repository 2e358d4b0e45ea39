import { createHash, createHmac, randomBytes } from 'node:crypto';
import type { Transaction } from '@app/database';
import { SecretBox } from '@app/runtime';

const PREFIX = 'whsec_';
const SECRET_BYTES = 32;
const SECRET_BYTES_MIN = 24;
const SECRET_BYTES_MAX = 64;

/** Makes, seals and opens the secrets that sign deliveries. A sealed one opens only for the webhook that it was sealed for. */
export class WebhookSecrets {
  private readonly box: SecretBox;

  constructor(masterKey: Buffer) {
    this.box = new SecretBox(masterKey, 'webhook-secrets');
  }

  /** A new secret, in the form of Standard Webhooks. */
  static make(): string {
    return PREFIX + randomBytes(SECRET_BYTES).toString('base64');
  }

  /** Whether a secret that somebody brings along is one: of a length that Standard Webhooks allows. */
  static isSecret(text: string): boolean {
    const [, encoded = ''] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(text) ?? [];
    const { length } = Buffer.from(encoded, 'base64');
    return length >= SECRET_BYTES_MIN && length <= SECRET_BYTES_MAX;
  }

  /** Eight hex digits by which people recognise a secret without seeing it. */
  static fingerprint(secret: string): string {
    return createHash('sha256').update(secret).digest('hex').slice(0, 8);
  }

  seal(webhookId: string, secret: string): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.box.seal(secret, `webhook:${webhookId}`));
  }

  /** @throws Error when the bytes were changed or sealed under another MASTER_KEY */
  open(webhookId: string, sealed: Uint8Array): string {
    return this.box.open(sealed, `webhook:${webhookId}`);
  }
}

/** The `webhook-signature` header: one signature for each secret, newest first (Standard Webhooks 1.0). */
export function signatureOf(id: string, timestampSeconds: number, body: string, secrets: readonly string[]): string {
  return secrets
    .map((secret) => {
      const key = Buffer.from(secret.slice(PREFIX.length), 'base64');
      return `v1,${createHmac('sha256', key).update(`${id}.${timestampSeconds}.${body}`).digest('base64')}`;
    })
    .join(' ');
}

/** Seals the secrets of every webhook anew, under another MASTER_KEY. @throws Error when one of them does not open */
export async function resealWebhooks(tx: Transaction, from: WebhookSecrets, to: WebhookSecrets): Promise<void> {
  for (const { id, secretSealed, previousSecretSealed } of await tx.webhook.findMany()) {
    await tx.webhook.update({
      where: { id },
      data: {
        secretSealed: to.seal(id, from.open(id, secretSealed)),
        previousSecretSealed: previousSecretSealed && to.seal(id, from.open(id, previousSecretSealed)),
      },
    });
  }
}
