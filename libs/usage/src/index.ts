export { UsageModule } from './usage.module.js';
export {
  TooManyTotals,
  USAGE_TOTALS_MAX,
  type UsageBucket,
  type UsageDimension,
  type UsageFilter,
  type UsageQuery,
  type UsageTotals,
  UsageReport,
} from './usage-report.js';
