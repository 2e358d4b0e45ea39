import { Get, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { CacheHealth, CacheHealthQuery } from '@app/contract';
import { Clock } from '@app/runtime';
import { UsageReport, type UsageTotals } from '@app/usage';
import { Permit } from '../identity/permissions.js';
import { AdminController } from './admin.decorators.js';
import { cachedShare } from './cached-share.js';
import { withRange } from './request-query.js';
import { shownDimensions } from './shown-usage.js';
import { usageTotals } from './usage-totals.js';

const HOUR_MS = 3_600_000;
const DEFAULT_RANGE_MS = 7 * 24 * HOUR_MS;

@AdminController('cache-health')
export class CacheHealthController {
  constructor(
    private readonly report: UsageReport,
    private readonly clock: Clock,
  ) {}

  @Get()
  @Permit('status:read')
  @ApiOperation({
    summary: 'How much of the input came from prompt caches',
    description: 'In whole hours, so that it is read from usage totals alone.',
  })
  @ApiOkResponse({ standardSchema: CacheHealth })
  async shares(@Query({ schema: CacheHealthQuery }) query: CacheHealthQuery): Promise<CacheHealth> {
    const { from, to } = withRange(query, this.clock.now(), DEFAULT_RANGE_MS);
    const start = new Date(Math.floor(Date.parse(from) / HOUR_MS) * HOUR_MS);
    const end = new Date(Math.ceil(Date.parse(to) / HOUR_MS) * HOUR_MS);
    const groupBy = query.group_by === undefined ? [] : [query.group_by];
    const rows = await usageTotals(this.report, { start, end, bucket: 'total', groupBy }, 'from');
    const used = rows.filter(({ input_tokens: input }) => input > 0n);
    return {
      from: start.toISOString(),
      to: end.toISOString(),
      data: used
        .toSorted((one, other) => uncached(other) - uncached(one))
        .map((row) => ({ ...shownDimensions(row, groupBy), ...shownShare(row) })),
    };
  }
}

function uncached({ input_tokens: input, cached_tokens: cached }: UsageTotals): number {
  return Number(input - cached);
}

function shownShare(row: UsageTotals) {
  const [input, cached] = [Number(row.input_tokens), Number(row.cached_tokens)];
  return {
    requests: Number(row.requests),
    input_tokens: input,
    cached_tokens: cached,
    cache_write_tokens: Number(row.cache_write_tokens),
    cached_share: cachedShare(input, cached),
  };
}
