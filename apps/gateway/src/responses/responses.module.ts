import { type DynamicModule, Module } from '@nestjs/common';
import { ModelsModule } from '@app/models';
import { Clock, RuntimeModule } from '@app/runtime';
import { StoredResponsesModule } from '@app/stored-responses';
import { Compactions } from '../compaction/compactions.js';
import { SealedCalls } from '../compaction/sealed-calls.js';
import { ExplainModule } from '../explain/explain.module.js';
import { HealthModule } from '../health/health.module.js';
import { Lifecycle } from '../health/lifecycle.js';
import { ModelRoutesModule } from '../models/model-routes.module.js';
import { AnswerKeeper, type AnswerLimits } from './answer-keeper.js';
import { CreatedResponses } from './created-response.js';
import { ResponseReferences } from './response-references.js';
import { ResponsesController } from './responses.controller.js';
import { ResponsesProxy } from './responses.proxy.js';

@Module({})
export class ResponsesModule {
  static forRoot(limits: AnswerLimits): DynamicModule {
    return {
      module: ResponsesModule,
      global: true,
      imports: [ExplainModule, HealthModule, ModelsModule, ModelRoutesModule, RuntimeModule, StoredResponsesModule],
      controllers: [ResponsesController],
      providers: [
        Compactions,
        CreatedResponses,
        ResponseReferences,
        ResponsesProxy,
        SealedCalls,
        {
          provide: AnswerKeeper,
          inject: [Clock, Lifecycle],
          useFactory: (clock: Clock, lifecycle: Lifecycle) => new AnswerKeeper(clock, lifecycle, limits),
        },
      ],
      exports: [AnswerKeeper, ResponseReferences, SealedCalls],
    };
  }
}
