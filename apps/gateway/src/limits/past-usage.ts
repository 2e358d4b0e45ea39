import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { setTimeout as delay } from 'node:timers/promises';
import { PrismaService } from '@app/database';
import { Repricing } from '@app/journal';
import { findBalances } from '@app/ledger';
import { type FreshRule, Limiter, type PastUse } from '@app/limits';
import { ReplicaCensus } from './replica-census.js';

const HOUR_MS = 3_600_000;
/** No window is longer. */
const PAST_DAYS_MAX = 366;
const RETRY_MS = 2_000;
/** By then the rows of calls that ended before are in the log. */
const ROWS_WRITTEN_MS = 300;

interface UsedInHour {
  readonly id: string;
  readonly starts_at: Date;
  readonly requests: string;
  readonly input_tokens: string;
  readonly tokens: string;
  readonly nano_usd: string;
}

/**
 * Fills the plan's windows and the budgets with what the log knows, so that a restart forgets nothing: before the first call, and
 * for a rule that is added later as soon as it is there. By the hour; what was used in an hour counts at its end.
 */
@Injectable()
export class PastUsage implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(PastUsage.name);
  private fresh: FreshRule[] = [];
  private isStarted = false;
  private retry: NodeJS.Timeout | null = null;

  constructor(
    private readonly prisma: PrismaService,
    private readonly limiter: Limiter,
    private readonly census: ReplicaCensus,
    repricing: Repricing,
  ) {
    limiter.onFreshRules = (rules) => this.note(rules);
    repricing.onCostsChanged(() => limiter.recountSpending());
  }

  /** @throws what the database throws: without it nobody knows what is left */
  async onApplicationBootstrap(): Promise<void> {
    await this.census.join();
    await this.limiter.join();
    this.isStarted = true;
    await this.load(this.fresh.splice(0), true);
  }

  onApplicationShutdown(): void {
    this.limiter.onFreshRules = null;
    if (this.retry) clearTimeout(this.retry);
  }

  private note(rules: readonly FreshRule[]): void {
    this.fresh.push(...rules.filter(({ rule }) => rule.kind === 'plan'));
    if (this.isStarted && this.fresh.length > 0) void this.loadLater();
  }

  private async loadLater(): Promise<void> {
    const rules = this.fresh.splice(0);
    try {
      // Those that were counted already must not be missed; a few may count twice.
      if (rules.some(({ cause }) => cause !== 'new')) await delay(ROWS_WRITTEN_MS, undefined, { ref: false });
      await this.load(rules, false);
    } catch (error) {
      this.logger.error(`what was used before is not known yet: ${String(error)}`);
      this.fresh.push(...rules);
      this.retry ??= setTimeout(() => {
        this.retry = null;
        void this.loadLater();
      }, RETRY_MS).unref();
    }
  }

  private async load(rules: readonly FreshRule[], isStart: boolean): Promise<void> {
    // A model's limits are by the minute only.
    for (const scope of ['group', 'key'] as const) {
      const ofScope = rules.filter((rule) => rule.scope === scope);
      if (ofScope.length === 0) continue;
      const [used, balances] = await Promise.all([this.read(scope, ofScope), this.balances(scope, ofScope)]);
      const byOwner = byId(used);
      const nowMs = this.limiter.now().wallMs;
      const looked = ofScope.map((fresh) => ({
        fresh,
        past: fresh.rule.prepaid
          ? [{ amount: Number(balances?.get(fresh.id)?.spentNanoUsd ?? 0n), atMs: nowMs }]
          : pastOf(fresh, byOwner.get(fresh.id) ?? [], nowMs),
      }));
      await this.limiter.takePast(looked, isStart).catch((error: unknown) => {
        // Whoever needs it finds that it is not there, and asks again.
        this.logger.warn(`the other replicas were not told what was used before: ${String(error)}`);
      });
    }
  }

  /** Of prepaid balances the ledger knows what was spent. */
  private async balances(scope: 'group' | 'key', rules: readonly FreshRule[]) {
    const ids = rules.filter(({ rule }) => rule.prepaid).map(({ id }) => id);
    return ids.length === 0 ? null : findBalances(this.prisma, scope, ids);
  }

  /** Requests that no upstream was asked for were refused, and do not count. */
  private async read(scope: 'group' | 'key', rules: readonly FreshRule[]): Promise<UsedInHour[]> {
    const isForEver = rules.some(({ rule }) => rule.period === null);
    const since = isForEver ? new Date(0) : new Date(this.limiter.now().wallMs - PAST_DAYS_MAX * 24 * HOUR_MS);
    const column = scope === 'group' ? 'group_id' : 'key_id';
    const { rows } = await this.prisma.pool.query<UsedInHour>({
      name: `past_usage_of_${scope}`,
      text: `SELECT ${column} AS id, starts_at,
        coalesce(sum(requests) FILTER (WHERE upstream_id <> '00000000-0000-0000-0000-000000000000'), 0) AS requests,
        sum(input_tokens) AS input_tokens, sum(input_tokens + output_tokens) AS tokens, sum(cost_nano_usd) AS nano_usd
        FROM usage_hours WHERE ${column} = ANY ($1::uuid[]) AND starts_at >= $2 GROUP BY 1, 2`,
      values: [[...new Set(rules.map(({ id }) => id))], since],
    });
    return rows;
  }
}

/** Rows of each key or group: one pass, however many rules ask. */
function byId(rows: readonly UsedInHour[]): ReadonlyMap<string, readonly UsedInHour[]> {
  const found = new Map<string, UsedInHour[]>();
  for (const row of rows) {
    const ofId = found.get(row.id);
    if (ofId) ofId.push(row);
    else found.set(row.id, [row]);
  }
  return found;
}

function pastOf({ rule }: FreshRule, used: readonly UsedInHour[], nowMs: number): PastUse[] {
  return used
    .map((row) => ({ amount: Number(row[rule.unit]), atMs: Math.min(nowMs, row.starts_at.getTime() + HOUR_MS - 1) }))
    .filter(({ amount }) => amount > 0);
}
