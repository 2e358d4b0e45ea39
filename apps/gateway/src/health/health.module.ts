import { Module } from '@nestjs/common';
import { ModelsModule } from '@app/models';
import { GatewayMetrics } from './gateway-metrics.js';
import { HealthController } from './health.controller.js';
import { Lifecycle } from './lifecycle.js';

@Module({
  imports: [ModelsModule],
  controllers: [HealthController],
  providers: [GatewayMetrics, Lifecycle],
  exports: [GatewayMetrics, Lifecycle],
})
export class HealthModule {}
