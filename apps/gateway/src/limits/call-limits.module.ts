import { Module } from '@nestjs/common';
import { LimitsModule } from '@app/limits';
import { PastUsage } from './past-usage.js';
import { ReplicaCensus } from './replica-census.js';
import { CallerUsageController } from './usage.controller.js';

/** What callers may use, and what they have used. */
@Module({
  imports: [LimitsModule],
  controllers: [CallerUsageController],
  providers: [PastUsage, ReplicaCensus],
})
export class CallLimitsModule {}
