import { Get, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import {
  type IdKind,
  RequestFacets,
  RequestFacetsQuery,
  RequestHistogram,
  RequestHistogramQuery,
  toPublicId,
} from '@app/contract';
import { type Facet, type HistogramBucket, RequestReports } from '@app/journal';
import { Clock } from '@app/runtime';
import { Permit } from '../identity/permissions.js';
import { OwnKeys } from '../identity/principal.js';
import { AdminController } from './admin.decorators.js';
import { histogramEdges } from './histogram-edges.js';
import { toRequestFilter, withRange } from './request-query.js';

const DEFAULT_RANGE_MS = 86_400_000;

@AdminController('requests')
export class RequestReportsController {
  constructor(
    private readonly reports: RequestReports,
    private readonly clock: Clock,
  ) {}

  @Get('histogram')
  @Permit('requests:read', 'own')
  @ApiOperation({ summary: 'Requests over time, by how they ended and how long they took' })
  @ApiOkResponse({ standardSchema: RequestHistogram })
  async histogram(
    @OwnKeys() ownKeys: readonly string[] | null,
    @Query({ schema: RequestHistogramQuery }) query: RequestHistogramQuery,
  ): Promise<RequestHistogram> {
    const ranged = withRange(query, this.clock.now(), DEFAULT_RANGE_MS);
    const buckets = await this.reports.histogram(toRequestFilter(ranged, ownKeys), histogramEdges(ranged));
    return { data: buckets.map(toBucket) };
  }

  @Get('facets')
  @Permit('requests:read', 'own')
  @ApiOperation({
    summary: 'The most frequent values of fields, with their counts',
    description: "A field's own filter does not count for it: its facet shows what else could be chosen.",
  })
  @ApiOkResponse({ standardSchema: RequestFacets })
  async facets(
    @OwnKeys() ownKeys: readonly string[] | null,
    @Query({ schema: RequestFacetsQuery }) query: RequestFacetsQuery,
  ): Promise<RequestFacets> {
    const ranged = withRange(query, this.clock.now(), DEFAULT_RANGE_MS);
    const wanted = { fields: query.fields, valuesMax: query.limit };
    return { data: (await this.reports.facets(toRequestFilter(ranged, ownKeys), wanted)).map(toFacet) };
  }
}

function toBucket(bucket: HistogramBucket): RequestHistogram['data'][number] {
  return {
    start: bucket.start.toISOString(),
    end: bucket.end.toISOString(),
    requests: Number(bucket.requests),
    ok: Number(bucket.ok),
    client_error: Number(bucket.client_error),
    limited: Number(bucket.limited),
    upstream_error: Number(bucket.upstream_error),
    gateway_error: Number(bucket.gateway_error),
    client_left: Number(bucket.client_left),
    duration_p50_ms: bucket.duration_p50_ms,
    duration_p95_ms: bucket.duration_p95_ms,
  };
}

function toFacet({ field, values, otherRequests }: Facet): RequestFacets['data'][number] {
  const kind: IdKind | null = field === 'key' || field === 'group' || field === 'upstream' ? field : null;
  return {
    field,
    values: values.map(({ value, name, requests }) => ({
      value: kind && value ? toPublicId(kind, value) : value,
      name,
      requests: Number(requests),
    })),
    other_requests: Number(otherRequests),
  };
}
