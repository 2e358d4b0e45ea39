import { Module } from '@nestjs/common';
import { ModelsModule } from '@app/models';
import { RuntimeModule } from '@app/runtime';
import { ModelRoutesModule } from '../models/model-routes.module.js';
import { ResponsesController } from './responses.controller.js';
import { ResponsesProxy } from './responses.proxy.js';

@Module({
  imports: [ModelsModule, ModelRoutesModule, RuntimeModule],
  controllers: [ResponsesController],
  providers: [ResponsesProxy],
})
export class ResponsesModule {}
