import { Controller, Get, Req, UseGuards } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { Clock } from '@app/runtime';
import { TooManyTotals, UsageReport, type UsageTotals } from '@app/usage';
import { PermissionGuard } from '../identity/permission.guard.js';
import { Permit } from '../identity/permissions.js';
import { AdminThrottlerGuard } from '../throttling/admin-throttler.guard.js';
import { type OrganizationQuery, readCompletionsQuery, readCostsQuery } from './organization-query.js';
import { type CompletionsResult, completionsResult, type CostsResult, costsResult } from './organization-results.js';
import { invalidParameter } from './query-parameters.js';
import { type UsagePage, usagePage } from './usage-page.js';

/**
 * `GET /v1/organization/usage/completions` and `/v1/organization/costs`, as OpenAI documents them. Routes of operators:
 * http/authenticate.hook.ts asks for the admin token, and they leave no row in the request log.
 */
@ApiExcludeController()
@Controller('v1/organization')
@UseGuards(AdminThrottlerGuard, PermissionGuard)
export class OrganizationController {
  constructor(
    private readonly report: UsageReport,
    private readonly clock: Clock,
  ) {}

  @Get('usage/completions')
  @Permit('usage:read')
  async completions(@Req() { url }: FastifyRequest): Promise<UsagePage<CompletionsResult>> {
    const query = readCompletionsQuery(url, this.clock.now());
    return usagePage(query, await this.totals(query), completionsResult);
  }

  @Get('costs')
  @Permit('usage:read')
  async costs(@Req() { url }: FastifyRequest): Promise<UsagePage<CostsResult>> {
    const query = readCostsQuery(url, this.clock.now());
    return usagePage(query, await this.totals(query), costsResult);
  }

  private async totals({ bucket, pageStart, pageEnd, groupBy, filter }: OrganizationQuery): Promise<UsageTotals[]> {
    if (filter === null) return [];
    const [start, end] = [new Date(pageStart * 1000), new Date(pageEnd * 1000)];
    try {
      return await this.report.totals({ start, end, bucket, groupBy, filter });
    } catch (error) {
      if (!(error instanceof TooManyTotals)) throw error;
      throw invalidParameter('limit', 'ask for fewer buckets at once: these hold more results than one answer takes');
    }
  }
}
