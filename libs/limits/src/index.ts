export type { FreshRule, PastUse, SubjectScope } from './fresh-rule.js';
export {
  alertLevel,
  type Demand,
  type LimitRule,
  type LimitUnit,
  NOTHING_USED,
  type SubjectLimits,
  usedPercent,
} from './limit-rule.js';
export { type Admittance, Limiter, type LimitRefusal, modelSubjectId, Reservation } from './limiter.js';
export { LimitsModule } from './limits.module.js';
export type { RuleState, Subject } from './subject.js';
export { type StoredBalance, type StoredLimits, type StoredWindow, subjectLimits } from './subject-limits.js';
