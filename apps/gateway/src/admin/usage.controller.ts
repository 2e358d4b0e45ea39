import { Get, Query, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProduces } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Usage, UsageQuery } from '@app/contract';
import { Clock } from '@app/runtime';
import { UsageReport } from '@app/usage';
import { Permit } from '../identity/permissions.js';
import { OwnKeys } from '../identity/principal.js';
import { AdminProblem } from '../http/admin-problem.js';
import { AdminController } from './admin.decorators.js';
import { usageCsv } from './usage-csv.js';
import { noUsage, shownUsage } from './shown-usage.js';
import { usageTotals } from './usage-totals.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const DEFAULT_RANGE_MS = {
  minute: HOUR_MS,
  hour: 30 * DAY_MS,
  day: 30 * DAY_MS,
  month: 30 * DAY_MS,
  total: 30 * DAY_MS,
};
/** Longer times have too many of them. */
const RANGE_DAYS_MAX = { minute: 2, hour: 366, day: Infinity, month: Infinity, total: Infinity };

@AdminController('usage')
export class UsageController {
  constructor(
    private readonly report: UsageReport,
    private readonly clock: Clock,
  ) {}

  @Get()
  @Permit('usage:read', 'own')
  @ApiOperation({ summary: 'Usage totals; they equal the sum of the request rows of exactly the asked time' })
  @ApiProduces('application/json', 'text/csv')
  @ApiOkResponse({ standardSchema: Usage })
  async totals(
    @OwnKeys() ownKeys: readonly string[] | null,
    @Query({ schema: UsageQuery }) query: UsageQuery,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Usage | string> {
    const { bucket, group_by: groupBy, format } = query;
    const end = query.end ? new Date(query.end) : new Date(this.clock.now());
    const start = query.start ? new Date(query.start) : new Date(end.getTime() - DEFAULT_RANGE_MS[bucket]);
    const daysMax = RANGE_DAYS_MAX[bucket];
    if (end.getTime() - start.getTime() > daysMax * DAY_MS) {
      const message = `must be within ${daysMax} days before the end when the bucket is ${bucket}`;
      throw AdminProblem.invalid([{ path: 'start', message }]);
    }
    const rows = await usageTotals(
      this.report,
      { start, end, bucket, groupBy, filter: { ...query, ...ownUsage(query, ownKeys) } },
      'start',
    );
    const data = rows.map((row) => shownUsage(row, bucket, groupBy, end));
    if (rows.length === 0 && bucket === 'total' && groupBy.length === 0) data.push(noUsage(start, end));
    if (format === 'json') return { data };
    void reply.headers({
      'content-type': 'text/csv; charset=utf-8',
      'content-disposition': `attachment; filename="usage-${start.toISOString().slice(0, 10)}-${end.toISOString().slice(0, 10)}.csv"`,
      'cache-control': 'no-store',
    });
    return usageCsv(data, groupBy);
  }
}

/** Of the keys that were asked for, those that whoever asks may see. */
function ownUsage({ key }: UsageQuery, ownKeys: readonly string[] | null): Pick<UsageQuery, 'key'> {
  if (ownKeys === null) return { key };
  return { key: ownKeys.filter((id) => !key || key.includes(id)) };
}
