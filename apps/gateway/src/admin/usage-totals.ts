import { TooManyTotals, USAGE_TOTALS_MAX, type UsageQuery, type UsageReport, type UsageTotals } from '@app/usage';
import { AdminProblem } from '../http/admin-problem.js';

/**
 * Totals of the report.
 *
 * @param start name of the query's field for it
 * @throws AdminProblem when there are too many of them for one answer
 */
export async function usageTotals(report: UsageReport, query: UsageQuery, start: string): Promise<UsageTotals[]> {
  try {
    return await report.totals(query);
  } catch (error) {
    if (!(error instanceof TooManyTotals)) throw error;
    const message = `must be later, or the bucket larger, or the groups fewer: there are more than ${USAGE_TOTALS_MAX} totals`;
    throw AdminProblem.invalid([{ path: start, message }]);
  }
}
