import { type RuleState, usedPercent } from '@app/limits';

const NANO_USD = 1e9;

/** How a limit stands, as `explain`, `doctor` and `GET /v1/usage` tell it. */
export interface ShownLimit {
  /** Such as `group.requests_per_minute`. */
  rule: string;
  unit: string;
  /** Money in USD. */
  limit: number;
  used: number;
  remaining: number;
  used_percent: number;
  /** RFC 3339; null: never by itself. */
  resets_at: string | null;
}

export function shownLimit({ id, rule, used, reserved, resetsAtMs }: RuleState): ShownLimit {
  const isMoney = rule.unit === 'nano_usd';
  const shown = (amount: number): number => (isMoney ? Math.round(amount) / NANO_USD : Math.round(amount));
  return {
    rule: id,
    unit: isMoney ? 'usd' : rule.unit,
    limit: shown(rule.limit),
    used: shown(used),
    remaining: shown(Math.max(0, rule.limit - used - reserved)),
    used_percent: Math.round(usedPercent(rule, used) * 10) / 10,
    resets_at: resetsAtMs === null || used === 0 ? null : new Date(resetsAtMs).toISOString(),
  };
}
