import type { HeldRule } from './held-rule.js';
import type { Instant } from './meter.js';
import type { Ref } from './shared-refs.js';
import type { Subject } from './subject.js';

/** For so long the others keep to what was set aside of plans for a replica that gets no answer. */
export const SPARE_MS = 2_000;

/** What all replicas together say to a call. */
export type SharedVerdict =
  | { readonly verdict: 'admitted' }
  | {
      readonly verdict: 'refused' | 'held';
      readonly subject: Subject;
      readonly held: HeldRule;
      readonly waitMs: number;
    }
  | { readonly verdict: 'busy'; readonly subject: Subject }
  | { readonly verdict: 'unknown' };

const VERDICTS = ['admitted', 'refused', 'held', 'busy', 'unknown'] as const;

/** Takes on how rules stand, as `ADMIT` answers it, and says what becomes of the call. @param isPeek no call was to begin */
export function readVerdict(reply: number[], refs: readonly Ref[], now: Instant, isPeek: boolean): SharedVerdict {
  const [code = 0, index = 0, waitMs = 0] = reply;
  for (const [at, { held }] of refs.entries()) {
    const [used = 0, reserved = 0, resetMs = 0, spare = 0] = reply.slice(4 + at * 4);
    if (!held) continue;
    const own = held.meter.resetsAtMs(0, now);
    const resetsAtMs = held.rule.period?.kind === 'rolling' ? now.wallMs + resetMs : own;
    held.see({ used, reserved, ownReserved: held.reserved, resetsAtMs, atMs: now.monotonicMs });
    // What is used of it at the end has to be told before the others forget it.
    if (!isPeek) held.spare = { amount: spare, untilMs: now.monotonicMs + SPARE_MS / 2 };
  }
  const verdict = VERDICTS[code] ?? 'admitted';
  const ref = refs[index - 1];
  if (verdict === 'unknown') return { verdict };
  if (verdict === 'admitted' || !ref) return { verdict: 'admitted' };
  if (verdict === 'busy' || !ref.held) return { verdict: 'busy', subject: ref.subject };
  return { verdict, subject: ref.subject, held: ref.held, waitMs };
}
