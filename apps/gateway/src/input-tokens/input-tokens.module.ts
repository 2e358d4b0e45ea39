import { Module } from '@nestjs/common';
import { RuntimeModule } from '@app/runtime';
import { TokenEstimateModule } from '@app/token-estimate';
import { ModelRoutesModule } from '../models/model-routes.module.js';
import { InputTokensController } from './input-tokens.controller.js';
import { InputTokens } from './input-tokens.js';
import { UpstreamCount } from './upstream-count.js';

@Module({
  imports: [ModelRoutesModule, RuntimeModule, TokenEstimateModule],
  controllers: [InputTokensController],
  providers: [InputTokens, UpstreamCount],
})
export class InputTokensModule {}
