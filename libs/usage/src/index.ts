export { UsageModule } from './usage.module.js';
export {
  type UsageBucket,
  type UsageDimension,
  type UsageQuery,
  type UsageTotals,
  UsageReport,
} from './usage-report.js';
