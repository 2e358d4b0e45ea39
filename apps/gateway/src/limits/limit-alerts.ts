import { Injectable } from '@nestjs/common';
import { Alerts, type LimitAlertData, limitAlertKey } from '@app/alerts';
import type { Caller } from '@app/keys';
import { alertLevel, type LimitRule, type RuleState, usedPercent } from '@app/limits';
import { formatUsd } from '@app/models';

const HUNDRED = 100;

/** Tells operators that the plan or the budget of a group or a key is nearly used up, or is: once a period, by all replicas together. */
@Injectable()
export class LimitAlerts {
  constructor(private readonly alerts: Alerts) {}

  /** Looks at how limits stand after a call has begun, has ended or was refused. */
  observe(states: readonly RuleState[], caller: Caller, wallMs: number): void {
    for (const state of states) {
      const level = alertLevel(state.rule, state.used);
      if (level) this.raise(level, state, caller, wallMs);
    }
  }

  private raise(level: 'reached' | 'soft_threshold', state: RuleState, caller: Caller, wallMs: number): void {
    const { rule } = state;
    const [objectType, objectId, name] = state.id.startsWith('key.')
      ? (['key', caller.keyId, caller.keyName] as const)
      : (['group', caller.group.id, caller.group.name] as const);
    const data = dataOf(state, name);
    const type = `${objectType}.limit.${level}` as const;
    // A limit that is raised can be reached anew.
    const dedupeKey = limitAlertKey(type, objectId, `${rule.name}:${rule.limit}`, periodStartMs(state, wallMs));
    const about = { objectType, objectId, dedupeKey };
    const stands = `${rule.name}: ${data.used} of ${data.limit}.`;
    if (type === 'key.limit.reached' || type === 'group.limit.reached') {
      const message = `The ${objectType} ${name} has used up ${stands}`;
      this.alerts.raise({ ...about, type, severity: 'critical', message, data });
    } else {
      const message = `The ${objectType} ${name} has used ${data.used_percent} % of ${stands}`;
      const threshold = rule.alertPercent ?? HUNDRED;
      this.alerts.raise({
        ...about,
        type,
        severity: 'warning',
        message,
        data: { ...data, threshold_percent: threshold },
      });
    }
  }
}

function dataOf({ rule, used, resetsAtMs }: RuleState, name: string): LimitAlertData {
  return {
    name,
    limit_name: rule.name,
    limit: amountText(rule, rule.limit),
    used: amountText(rule, used),
    used_percent: Math.round(usedPercent(rule, used) * 10) / 10,
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
