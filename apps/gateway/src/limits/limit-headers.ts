import { type RuleState, usedPercent } from '@app/limits';
import { formatUsd } from '@app/models';

const HUNDRED = 100;
/** What Codex shows as its own limits. */
const CODEX_NAMES = ['primary', 'secondary'] as const;

/**
 * The headers that tell a client how its limits stand, names and values in turn: OpenAI's for what is limited by the minute
 * (protocol.md §5.3), and Codex's for the first two windows of the plan and for a prepaid balance, which its `/status` shows
 * (codex-cli.md §3).
 */
export function limitHeaders(states: readonly RuleState[], wallMs: number): string[] {
  const rates = states.filter(({ rule }) => rule.kind === 'rate');
  const headers = [
    ...rateHeaders('requests', tightest(rates.filter(({ rule }) => rule.unit === 'requests')), wallMs),
    ...rateHeaders('tokens', tightest(rates.filter(({ rule }) => rule.unit === 'tokens')), wallMs),
  ];
  const windows = states.filter(({ rule }) => rule.kind === 'plan' && rule.period !== null);
  for (const [index, name] of CODEX_NAMES.entries()) {
    const state = windows[index];
    if (state) headers.push(...windowHeaders(name, state, wallMs));
  }
  const balance = tightest(states.filter(({ rule }) => rule.prepaid !== undefined));
  if (balance) headers.push(...creditHeaders(Math.max(0, balance.rule.limit - balance.used)));
  return headers;
}

/** Go's form of a duration, as OpenAI sends it: 6m0s, 1.5s, 20ms. */
export function goDuration(ms: number): string {
  const rounded = Math.max(0, Math.ceil(ms));
  if (rounded < 1_000) return rounded === 0 ? '0s' : `${rounded}ms`;
  const seconds = Math.floor(rounded / HUNDRED) / 10;
  if (seconds < 60) return `${seconds}s`;
  const whole = Math.ceil(rounded / 1_000);
  const [hours, minutes] = [Math.floor(whole / 3_600), Math.floor((whole % 3_600) / 60)];
  return `${hours > 0 ? `${hours}h` : ''}${minutes}m${whole % 60}s`;
}

/** What is left of a rule's limit; never less than nothing. */
export function remainingOf({ rule, used, reserved }: RuleState): number {
  return Math.max(0, Math.floor(rule.limit - used - reserved));
}

function tightest(states: readonly RuleState[]): RuleState | null {
  return states.reduce<RuleState | null>(
    (least, state) => (least === null || remainingOf(state) < remainingOf(least) ? state : least),
    null,
  );
}

function rateHeaders(name: 'requests' | 'tokens', state: RuleState | null, wallMs: number): string[] {
  if (!state) return [];
  return [
    `x-ratelimit-limit-${name}`,
    String(state.rule.limit),
    `x-ratelimit-remaining-${name}`,
    String(remainingOf(state)),
    `x-ratelimit-reset-${name}`,
    // To a 240th of the minute: it is not told as more than that.
    goDuration(Math.min(state.periodMs ?? Infinity, (state.resetsAtMs ?? wallMs) - wallMs)),
  ];
}

function windowHeaders(name: (typeof CODEX_NAMES)[number], state: RuleState, wallMs: number): string[] {
  const { rule, used, periodMs, resetsAtMs } = state;
  return [
    `x-codex-${name}-used-percent`,
    String(Math.round(usedPercent(rule, used) * 10) / 10),
    `x-codex-${name}-window-minutes`,
    String(Math.round((periodMs ?? 0) / 60_000)),
    `x-codex-${name}-reset-at`,
    String(Math.ceil((resetsAtMs ?? wallMs) / 1_000)),
  ];
}

/** In USD. */
function creditHeaders(leftNanoUsd: number): string[] {
  return [
    'x-codex-credits-has-credits',
    String(leftNanoUsd > 0),
    'x-codex-credits-unlimited',
    'false',
    'x-codex-credits-balance',
    formatUsd(BigInt(Math.floor(leftNanoUsd))),
  ];
}
