import { type DynamicModule, Module } from '@nestjs/common';
import { ModelsModule } from '@app/models';
import { LimitsModule } from '@app/limits';
import { Clock, RuntimeModule } from '@app/runtime';
import { StoredResponsesModule } from '@app/stored-responses';
import { TokenEstimateModule } from '@app/token-estimate';
import { Compactions } from '../compaction/compactions.js';
import { ContextLimits } from '../compaction/context-limits.js';
import { ContextShortener } from '../compaction/context-shortener.js';
import { LostCompactions } from '../compaction/lost-compactions.js';
import { SealedCalls } from '../compaction/sealed-calls.js';
import { SideCompactions } from '../compaction/side-compactions.js';
import { ExplainModule } from '../explain/explain.module.js';
import { HealthModule } from '../health/health.module.js';
import { Lifecycle } from '../health/lifecycle.js';
import { CallLimits } from '../limits/call-limits.js';
import { LimitAlerts } from '../limits/limit-alerts.js';
import { UnpricedAlerts } from '../limits/unpriced-alerts.js';
import { ModelRoutesModule } from '../models/model-routes.module.js';
import { AnswerKeeper, type AnswerLimits } from './answer-keeper.js';
import { CacheAlerts } from './cache-alerts.js';
import { CacheWatch } from './cache-watch.js';
import { CreatedResponses } from './created-response.js';
import { ResponseReferences } from './response-references.js';
import { ResponsesController } from './responses.controller.js';
import { ResponsesProxy } from './responses.proxy.js';
import { SessionMoves } from './session-moves.js';
import { UpstreamKnowledge } from './upstream-knowledge.js';

@Module({})
export class ResponsesModule {
  static forRoot(limits: AnswerLimits): DynamicModule {
    return {
      module: ResponsesModule,
      global: true,
      imports: [
        ExplainModule,
        HealthModule,
        LimitsModule,
        TokenEstimateModule,
        ModelsModule,
        ModelRoutesModule,
        RuntimeModule,
        StoredResponsesModule,
      ],
      controllers: [ResponsesController],
      providers: [
        CallLimits,
        LimitAlerts,
        UnpricedAlerts,
        CacheAlerts,
        CacheWatch,
        Compactions,
        ContextLimits,
        ContextShortener,
        LostCompactions,
        SideCompactions,
        CreatedResponses,
        ResponseReferences,
        ResponsesProxy,
        SealedCalls,
        SessionMoves,
        UpstreamKnowledge,
        {
          provide: AnswerKeeper,
          inject: [Clock, Lifecycle],
          useFactory: (clock: Clock, lifecycle: Lifecycle) => new AnswerKeeper(clock, lifecycle, limits),
        },
      ],
      exports: [AnswerKeeper, CacheWatch, CallLimits, ResponseReferences, SealedCalls],
    };
  }
}
