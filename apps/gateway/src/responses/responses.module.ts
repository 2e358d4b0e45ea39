import { Module } from '@nestjs/common';
import { ModelsModule } from '@app/models';
import { RuntimeModule } from '@app/runtime';
import { HealthModule } from '../health/health.module.js';
import { ModelRoutesModule } from '../models/model-routes.module.js';
import { ResponsesController } from './responses.controller.js';
import { ResponsesProxy } from './responses.proxy.js';

@Module({
  imports: [HealthModule, ModelsModule, ModelRoutesModule, RuntimeModule],
  controllers: [ResponsesController],
  providers: [ResponsesProxy],
})
export class ResponsesModule {}
