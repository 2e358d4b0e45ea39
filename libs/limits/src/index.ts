export {
  type Demand,
  type LimitRule,
  type LimitUnit,
  NO_LIMITS,
  NOTHING_USED,
  rateRules,
  type SubjectLimits,
} from './limit-rule.js';
export { type Admittance, type LimitedSubject, Limiter, type LimitRefusal, Reservation } from './limiter.js';
export { LimitsModule } from './limits.module.js';
export { isTimeZone, parsePeriod, type PlanPeriod } from './plan-period.js';
export type { RuleState } from './subject.js';
export { type StoredLimits, type StoredWindow, subjectLimits } from './subject-limits.js';
