import type { HeldRule } from './held-rule.js';
import type { LimitRule } from './limit-rule.js';
import type { Subject } from './subject.js';

/** `model`: a group's calls for one model. */
export type SubjectScope = 'key' | 'group' | 'model';

/** A rule whose past has to be looked up in the log. */
export interface FreshRule {
  readonly scope: SubjectScope;
  /** Of the key or the group. */
  readonly id: string;
  readonly rule: LimitRule;
  /**
   * - `new`: it counts from now on
   * - `shared`: the replicas have lost what they counted together
   * - `alone`: the others cannot be asked
   * - `recounted`: what was used before costs something else now
   */
  readonly cause: 'new' | 'shared' | 'alone' | 'recounted';
  readonly held: HeldRule;
  readonly subject: Subject;
}

/** What was used of a rule before. */
export interface PastUse {
  readonly amount: number;
  /** Wall clock. */
  readonly atMs: number;
}

export function freshRule(
  { subject, held }: { subject: Subject; held: HeldRule },
  cause: FreshRule['cause'],
): FreshRule {
  const [scope = '', id = ''] = subject.key.split(':');
  return { scope: scope as SubjectScope, id, rule: held.rule, cause, held, subject };
}
