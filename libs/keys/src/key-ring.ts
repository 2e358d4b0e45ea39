import { Injectable } from '@nestjs/common';
import { ChangeFeed, type Prisma, PrismaService } from '@app/database';
import {
  type BodyPolicy,
  bodyPolicyOf,
  GroupDirectory,
  type GroupPolicy,
  modelRule,
  type ModelRule,
  type StoredBodyPolicy,
} from '@app/groups';
import { findBalances } from '@app/ledger';
import { Limiter, subjectLimits } from '@app/limits';
import { Clock } from '@app/runtime';
import { checkSecret } from './key-secret.js';

/** Whoever presented a valid key, and what it may do. */
export interface Caller {
  readonly keyId: string;
  readonly keyName: string;
  readonly group: GroupPolicy;
  /** narrows the group's models; null: all of them */
  readonly models: ModelRule | null;
  /** The key's own, else the group's; null: no bodies are stored */
  readonly bodyPolicy: BodyPolicy | null;
}

interface HeldKey {
  readonly id: string;
  readonly name: string;
  readonly groupId: string;
  readonly models: ModelRule | null;
  /** undefined: as the group has it */
  readonly bodyPolicy: BodyPolicy | null | undefined;
  readonly hashes: readonly string[];
  /** Infinity when it never expires; 0 when it is revoked. */
  readonly validUntilMs: number;
  readonly previousHash: string | null;
  readonly previousValidUntilMs: number;
}

const SELECTED = {
  id: true,
  name: true,
  groupId: true,
  models: true,
  secretHash: true,
  previousSecretHash: true,
  previousSecretExpiresAt: true,
  expiresAt: true,
  revokedAt: true,
  requestsPerMinute: true,
  inputTokensPerMinute: true,
  tokensPerMinute: true,
  maxConcurrency: true,
  budgetNanoUsd: true,
  softThresholdPercent: true,
  bodyPolicy: true,
} as const;

/**
 * Turns a presented key into its caller, from memory: all keys are held here under the full SHA-256 of their secrets and
 * kept fresh by the change feed. Secrets carry 256 random bits, so one fast hash is enough.
 */
@Injectable()
export class KeyRing {
  private byHash = new Map<string, HeldKey>();
  private byId = new Map<string, HeldKey>();

  constructor(
    private readonly prisma: PrismaService,
    private readonly groups: GroupDirectory,
    private readonly limiter: Limiter,
    private readonly clock: Clock,
    feed: ChangeFeed,
  ) {
    feed.subscribe('keys', (since) => this.load(since));
  }

  /** undefined when the key is malformed, unknown, expired or revoked. */
  find(secret: string): Caller | undefined {
    const hash = checkSecret(secret);
    const key = hash === null ? undefined : this.byHash.get(hash);
    if (!key) return undefined;
    const now = this.clock.now();
    if (now >= key.validUntilMs) return undefined;
    if (hash === key.previousHash && now >= key.previousValidUntilMs) return undefined;
    const group = this.groups.find(key.groupId);
    if (!group) return undefined;
    const bodyPolicy = key.bodyPolicy === undefined ? group.bodyPolicy : key.bodyPolicy;
    return { keyId: key.id, keyName: key.name, group, models: key.models, bodyPolicy };
  }

  private async load(since: bigint | null): Promise<void> {
    const rows = await this.prisma.apiKey.findMany({
      where: since === null ? {} : { changeSeq: { gt: since } },
      select: SELECTED,
    });
    const balances = await findBalances(this.prisma, 'key', since === null ? null : rows.map(({ id }) => id));
    if (since === null) {
      this.byHash = new Map();
      this.byId = new Map();
    }
    for (const row of rows) {
      for (const hash of this.byId.get(row.id)?.hashes ?? []) this.byHash.delete(hash);
      const key = held(row);
      this.limiter.adopt('key', row.id, subjectLimits({ ...row, balance: balances.get(row.id) ?? null }));
      this.byId.set(key.id, key);
      for (const hash of key.hashes) this.byHash.set(hash, key);
    }
  }
}

function held(row: Prisma.ApiKeyGetPayload<{ select: typeof SELECTED }>): HeldKey {
  const current = Buffer.from(row.secretHash).toString('hex');
  const previous = row.previousSecretHash && Buffer.from(row.previousSecretHash).toString('hex');
  return {
    id: row.id,
    name: row.name,
    groupId: row.groupId,
    models: row.models.length > 0 ? modelRule(row.models) : null,
    bodyPolicy: row.bodyPolicy === null ? undefined : bodyPolicyOf(row.bodyPolicy as unknown as StoredBodyPolicy),
    hashes: previous ? [current, previous] : [current],
    validUntilMs: row.revokedAt ? 0 : (row.expiresAt?.getTime() ?? Infinity),
    previousHash: previous,
    previousValidUntilMs: row.previousSecretExpiresAt?.getTime() ?? 0,
  };
}
