export { type Demand, type LimitRule, type LimitUnit, NOTHING_USED, type SubjectLimits } from './limit-rule.js';
export {
  type Admittance,
  type FreshRule,
  Limiter,
  type LimitRefusal,
  modelSubjectId,
  type PastUse,
  Reservation,
  type SubjectScope,
} from './limiter.js';
export { LimitsModule } from './limits.module.js';
export type { RuleState, Subject } from './subject.js';
export { type StoredLimits, type StoredWindow, subjectLimits } from './subject-limits.js';
