import { Module } from '@nestjs/common';
import { TokenEstimator } from './token-estimator.js';

@Module({
  providers: [{ provide: TokenEstimator, useFactory: () => new TokenEstimator() }],
  exports: [TokenEstimator],
})
export class TokenEstimateModule {}
