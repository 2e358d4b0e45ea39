import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { PrismaService } from '@app/database';
import { GroupDirectory } from '@app/groups';
import { KeyRing } from '@app/keys';
import { type LimitedSubject, Limiter, type LimitRule } from '@app/limits';

const HOUR_MS = 3_600_000;
/** No window is longer. */
const PAST_DAYS_MAX = 366;

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
 * for a rule that is added later as soon as it is seen. By the hour; what was used in an hour counts at its end.
 */
@Injectable()
export class PastUsage implements OnApplicationBootstrap {
  private readonly logger = new Logger(PastUsage.name);
  private fresh: [LimitedSubject, readonly LimitRule[]][] = [];
  private loading: Promise<void> | null = null;

  constructor(
    private readonly prisma: PrismaService,
    private readonly groups: GroupDirectory,
    private readonly keys: KeyRing,
    private readonly limiter: Limiter,
  ) {
    limiter.onFreshRules = (subject, rules) => this.note(subject, rules);
  }

  async onApplicationBootstrap(): Promise<void> {
    for (const { id, limits } of this.groups.all()) this.limiter.adopt({ id: `group ${id}`, scope: 'group', limits });
    for (const { id, limits } of this.keys.limited()) this.limiter.adopt({ id: `key ${id}`, scope: 'key', limits });
    await this.loading;
  }

  private note(subject: LimitedSubject, rules: readonly LimitRule[]): void {
    const plan = rules.filter(({ kind }) => kind === 'plan');
    if (plan.length === 0) return;
    this.fresh.push([subject, plan]);
    this.loading ??= Promise.resolve().then(() => this.load());
  }

  private async load(): Promise<void> {
    const fresh = this.fresh.splice(0);
    this.loading = null;
    try {
      for (const scope of ['group', 'key'] as const) {
        const ofScope = fresh.filter(([subject]) => subject.scope === scope);
        if (ofScope.length > 0) this.fill(ofScope, await this.read(scope, ofScope));
      }
    } catch (error) {
      this.logger.error(`what was used before is not known: ${String(error)}`);
    }
  }

  private read(scope: 'group' | 'key', fresh: readonly [LimitedSubject, readonly LimitRule[]][]) {
    const ids = fresh.map(([{ id }]) => id.slice(scope.length + 1));
    const isForEver = fresh.some(([, rules]) => rules.some(({ period }) => period === null));
    const since = isForEver ? new Date(0) : new Date(Date.now() - PAST_DAYS_MAX * 24 * HOUR_MS);
    const column = scope === 'group' ? 'group_id' : 'key_id';
    return this.prisma.pool
      .query<UsedInHour>({
        name: `past_usage_of_${scope}`,
        text: `SELECT ${column} AS id, starts_at, sum(requests) AS requests, sum(input_tokens) AS input_tokens,
          sum(input_tokens + output_tokens) AS tokens, sum(cost_nano_usd) AS nano_usd
          FROM usage_hours WHERE ${column} = ANY ($1::uuid[]) AND starts_at >= $2 GROUP BY 1, 2`,
        values: [ids, since],
      })
      .then(({ rows }) => rows);
  }

  private fill(fresh: readonly [LimitedSubject, readonly LimitRule[]][], rows: readonly UsedInHour[]): void {
    for (const [subject, rules] of fresh) {
      const own = rows.filter(({ id }) => subject.id.endsWith(id));
      for (const rule of rules) {
        for (const row of own) {
          const endMs = Math.min(this.limiter.now().wallMs, row.starts_at.getTime() + HOUR_MS - 1);
          this.limiter.addPast(subject, rule, Number(row[rule.unit]), endMs);
        }
      }
    }
  }
}
