import { Injectable } from '@nestjs/common';
import { Alerts, type LimitAlertData, limitAlertKey } from '@app/alerts';
import type { Caller } from '@app/keys';
import type { LimitRule, RuleState } from '@app/limits';
import { formatUsd } from '@app/models';

const HUNDRED = 100;

/** Tells operators that the plan or the budget of a group or a key is nearly used up, or is: once a period, by all replicas together. */
@Injectable()
export class LimitAlerts {
  constructor(private readonly alerts: Alerts) {}

  /** Looks at how limits stand after a call has begun, has ended or was refused. */
  observe(states: readonly RuleState[], caller: Caller, wallMs: number): void {
    for (const state of states) {
      const { rule, used } = state;
      if (rule.kind !== 'plan') continue;
      if (used >= rule.limit) this.raise('reached', state, caller, wallMs);
      else if (rule.alertPercent && used * HUNDRED >= rule.limit * rule.alertPercent) {
        this.raise('soft_threshold', state, caller, wallMs);
      }
    }
  }

  private raise(what: 'reached' | 'soft_threshold', state: RuleState, caller: Caller, wallMs: number): void {
    const { rule } = state;
    const isOfKey = state.id.startsWith('key.');
    const [objectType, objectId, name] = isOfKey
      ? (['key', caller.keyId, caller.keyName] as const)
      : (['group', caller.group.id, caller.group.name] as const);
    const data = dataOf(state, name);
    const who = `${objectType} ${name}`;
    const about = { objectType, objectId, dedupeKey: '' };
    // A limit that is raised can be reached anew.
    const limitName = `${rule.name}:${rule.limit}`;
    const startMs = periodStartMs(state, wallMs);
    if (what === 'reached') {
      const type = `${objectType}.limit.reached` as const;
      const dedupeKey = limitAlertKey(type, objectId, limitName, startMs);
      const message = `The ${who} has used up ${rule.name}: ${data.used} of ${data.limit}.`;
      this.alerts.raise({ ...about, dedupeKey, type, severity: 'critical', message, data });
      return;
    }
    const type = `${objectType}.limit.soft_threshold` as const;
    const dedupeKey = limitAlertKey(type, objectId, limitName, startMs);
    const message = `The ${who} has used ${data.used_percent} % of ${rule.name}: ${data.used} of ${data.limit}.`;
    const threshold = rule.alertPercent ?? HUNDRED;
    this.alerts.raise({
      ...about,
      dedupeKey,
      type,
      severity: 'warning',
      message,
      data: { ...data, threshold_percent: threshold },
    });
  }
}

function dataOf({ rule, used, resetsAtMs }: RuleState, name: string): LimitAlertData {
  return {
    name,
    limit_name: rule.name,
    limit: amountText(rule, rule.limit),
    used: amountText(rule, used),
    used_percent: Math.round((used / rule.limit) * HUNDRED * 10) / 10,
    resets_at: resetsAtMs === null ? null : new Date(resetsAtMs).toISOString(),
  };
}

function amountText({ unit }: LimitRule, amount: number): string {
  return unit === 'nano_usd' ? formatUsd(BigInt(Math.round(amount))) : String(Math.round(amount));
}

/** The same on every replica: of a part of the calendar its start, of the last so long a step of that length. */
function periodStartMs({ rule, periodMs, resetsAtMs }: RuleState, wallMs: number): number {
  if (rule.period === null || periodMs === null) return 0;
  if (rule.period.kind === 'calendar') return (resetsAtMs ?? wallMs) - periodMs;
  return Math.floor(wallMs / periodMs) * periodMs;
}
