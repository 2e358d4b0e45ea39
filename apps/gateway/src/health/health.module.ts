import { Module } from '@nestjs/common';
import { GatewayMetrics } from './gateway-metrics.js';
import { HealthController } from './health.controller.js';
import { Lifecycle } from './lifecycle.js';

@Module({
  controllers: [HealthController],
  providers: [GatewayMetrics, Lifecycle],
  exports: [GatewayMetrics, Lifecycle],
})
export class HealthModule {}
