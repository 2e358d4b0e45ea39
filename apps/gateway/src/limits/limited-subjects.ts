import type { GroupPolicy } from '@app/groups';
import type { LimitedSubject, SubjectLimits } from '@app/limits';

/** Whose limits are asked for. */
export interface LimitedCaller {
  /** null: a group without a key */
  readonly keyId: string | null;
  readonly limits: SubjectLimits;
  readonly group: GroupPolicy;
}

/** Those whose limits count for a caller's calls; the key first, as its limits are the narrower ones. */
export function limitedSubjects({ keyId, limits, group }: LimitedCaller): LimitedSubject[] {
  const subjects: LimitedSubject[] = [];
  if (keyId !== null && isLimited(limits)) subjects.push({ id: `key ${keyId}`, scope: 'key', limits });
  if (isLimited(group.limits)) subjects.push({ id: `group ${group.id}`, scope: 'group', limits: group.limits });
  return subjects;
}

function isLimited({ rules, concurrencyMax }: SubjectLimits): boolean {
  return rules.length > 0 || concurrencyMax !== null;
}
