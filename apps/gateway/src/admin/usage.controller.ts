import { Get, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { toPublicId, Usage, UsageQuery } from '@app/contract';
import { formatUsd } from '@app/models';
import { Clock } from '@app/runtime';
import { type UsageBucket, UsageReport, type UsageTotals } from '@app/usage';
import { AdminController } from './admin.decorators.js';

const DEFAULT_RANGE_MS = 30 * 86_400_000;
const NOTHING = {
  requests: 0,
  input_tokens: 0,
  cached_tokens: 0,
  cache_write_tokens: 0,
  output_tokens: 0,
  reasoning_tokens: 0,
  cost_usd: '0',
  errors: 0,
};

@AdminController('usage')
export class UsageController {
  constructor(
    private readonly report: UsageReport,
    private readonly clock: Clock,
  ) {}

  @Get()
  @ApiOperation({ summary: 'Usage totals; they equal the sum of the request rows of exactly the asked time' })
  @ApiOkResponse({ standardSchema: Usage })
  async totals(@Query({ schema: UsageQuery }) query: UsageQuery): Promise<Usage> {
    const end = query.end ? new Date(query.end) : new Date(this.clock.now());
    const start = query.start ? new Date(query.start) : new Date(end.getTime() - DEFAULT_RANGE_MS);
    const rows = await this.report.totals({ start, end, bucket: query.bucket, groupBy: query.group_by });
    if (rows.length === 0 && query.bucket === 'total' && query.group_by.length === 0) {
      return { data: [{ start: start.toISOString(), end: end.toISOString(), ...NOTHING }] };
    }
    return { data: rows.map((row) => toTotals(row, query, end)) };
  }
}

function toTotals(row: UsageTotals, { bucket, group_by: groupBy }: UsageQuery, end: Date): Usage['data'][number] {
  return {
    start: row.start.toISOString(),
    end: endOf(row.start, bucket, end).toISOString(),
    ...(groupBy.includes('key') ? { key_id: row.key_id && toPublicId('key', row.key_id), key_name: row.key_name } : {}),
    ...(groupBy.includes('group')
      ? { group_id: row.group_id && toPublicId('group', row.group_id), group_name: row.group_name }
      : {}),
    ...(groupBy.includes('model') ? { model: row.model } : {}),
    ...(groupBy.includes('upstream')
      ? { upstream_id: row.upstream_id && toPublicId('upstream', row.upstream_id), upstream_name: row.upstream_name }
      : {}),
    requests: Number(row.requests),
    input_tokens: Number(row.input_tokens),
    cached_tokens: Number(row.cached_tokens),
    cache_write_tokens: Number(row.cache_write_tokens),
    output_tokens: Number(row.output_tokens),
    reasoning_tokens: Number(row.reasoning_tokens),
    cost_usd: formatUsd(row.cost_nano_usd),
    errors: Number(row.errors),
  };
}

/** Buckets are in UTC, where every day has 24 hours. */
function endOf(start: Date, bucket: UsageBucket, end: Date): Date {
  switch (bucket) {
    case 'hour':
      return new Date(start.getTime() + 3_600_000);
    case 'day':
      return new Date(start.getTime() + 86_400_000);
    case 'month':
      return new Date(Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + 1, 1));
    case 'total':
      return end;
  }
}
