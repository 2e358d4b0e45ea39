import { type RuleState, usedPercent } from '@app/limits';
import { formatUsd } from '@app/models';

const HUNDRED = 100;

type HeaderNames = readonly [string, string, string];
const rateNames = (what: string): HeaderNames => [
  `x-ratelimit-limit-${what}`,
  `x-ratelimit-remaining-${what}`,
  `x-ratelimit-reset-${what}`,
];
const windowNames = (which: string): HeaderNames => [
  `x-codex-${which}-used-percent`,
  `x-codex-${which}-window-minutes`,
  `x-codex-${which}-reset-at`,
];
const REQUEST_HEADERS = rateNames('requests');
const TOKEN_HEADERS = rateNames('tokens');
/** What Codex shows as its own limits. */
const WINDOW_HEADERS = [windowNames('primary'), windowNames('secondary')];

/**
 * The headers that tell a client how its limits stand, names and values in turn: OpenAI's for what is limited by the minute
 * (protocol.md §5.3), and Codex's for the first two windows of the plan and for a prepaid balance, which its `/status` shows
 * (codex-cli.md §3).
 */
export function limitHeaders(states: readonly RuleState[], wallMs: number): string[] {
  // On the way of every limited call: one walk, and no lists beside the one that is returned.
  const headers: string[] = [];
  let requests: RuleState | null = null;
  let tokens: RuleState | null = null;
  let balance: RuleState | null = null;
  let windows = 0;
  for (const state of states) {
    const { kind, unit, period, prepaid } = state.rule;
    if (prepaid !== undefined) balance = tighter(balance, state);
    if (kind === 'rate' && unit === 'requests') requests = tighter(requests, state);
    else if (kind === 'rate' && unit === 'tokens') tokens = tighter(tokens, state);
    else if (kind === 'plan' && period !== null) {
      const names = WINDOW_HEADERS[windows++];
      if (names) addWindow(headers, names, state, wallMs);
    }
  }
  if (requests) addRate(headers, REQUEST_HEADERS, requests, wallMs);
  if (tokens) addRate(headers, TOKEN_HEADERS, tokens, wallMs);
  if (balance) addCredits(headers, Math.max(0, balance.rule.limit - balance.used));
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

function tighter(least: RuleState | null, state: RuleState): RuleState {
  return least === null || remainingOf(state) < remainingOf(least) ? state : least;
}

function addRate(headers: string[], names: HeaderNames, state: RuleState, wallMs: number): void {
  const [limit, remaining, reset] = names;
  // To a 240th of the minute: it is not told as more than that.
  const resetsInMs = Math.min(state.periodMs ?? Infinity, (state.resetsAtMs ?? wallMs) - wallMs);
  headers.push(limit, String(state.rule.limit), remaining, String(remainingOf(state)), reset, goDuration(resetsInMs));
}

function addWindow(headers: string[], names: HeaderNames, state: RuleState, wallMs: number): void {
  const { rule, used, periodMs, resetsAtMs } = state;
  const [usedShare, minutes, resetAt] = names;
  headers.push(usedShare, String(Math.round(usedPercent(rule, used) * 10) / 10));
  headers.push(minutes, String(Math.round((periodMs ?? 0) / 60_000)));
  headers.push(resetAt, String(Math.ceil((resetsAtMs ?? wallMs) / 1_000)));
}

/** In USD. */
function addCredits(headers: string[], leftNanoUsd: number): void {
  headers.push('x-codex-credits-has-credits', String(leftNanoUsd > 0), 'x-codex-credits-unlimited', 'false');
  headers.push('x-codex-credits-balance', formatUsd(BigInt(Math.floor(leftNanoUsd))));
}
