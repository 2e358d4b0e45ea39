import { Controller, Get, HttpCode, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { ChangeFeed } from '@app/database';
import { RequestLog } from '@app/journal';
import { GatewayMetrics } from './gateway-metrics.js';
import { Lifecycle } from './lifecycle.js';
import { SNAPSHOT_AGE_MS_MAX } from './snapshot-age.js';

/** For load balancers and Prometheus. */
@ApiExcludeController()
@Controller()
export class HealthController {
  constructor(
    private readonly lifecycle: Lifecycle,
    private readonly feed: ChangeFeed,
    private readonly log: RequestLog,
    private readonly metrics: GatewayMetrics,
  ) {}

  /** The process runs. */
  @Get('livez')
  @HttpCode(200)
  live(): { status: 'ok' } {
    return { status: 'ok' };
  }

  /** New requests are welcome. PostgreSQL is not asked: model traffic does not need it. */
  @Get('readyz')
  ready(@Res() reply: FastifyReply): void {
    const problem = this.lifecycle.isDraining
      ? 'draining'
      : this.feed.ageMs() > SNAPSHOT_AGE_MS_MAX
        ? 'keys and configuration are out of date'
        : this.log.journal.refusal === null
          ? null
          : 'the journal cannot take more';
    void reply.code(problem ? 503 : 200).send({
      status: problem ?? 'ok',
      snapshot_age_ms: Math.round(this.feed.ageMs()),
      log_rows_pending: this.log.rowsPending,
    });
  }

  @Get('metrics')
  async prometheus(@Res() reply: FastifyReply): Promise<void> {
    const { registry } = this.metrics;
    await reply.header('content-type', registry.contentType).send(await registry.metrics());
  }
}
