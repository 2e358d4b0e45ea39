import { Module } from '@nestjs/common';
import { GroupsModule } from '@app/groups';
import { KeysModule } from '@app/keys';
import { LimitsModule } from '@app/limits';
import { PastUsage } from './past-usage.js';
import { CallerUsageController } from './usage.controller.js';

/** What callers may use, and what they have used. */
@Module({
  imports: [GroupsModule, KeysModule, LimitsModule],
  controllers: [CallerUsageController],
  providers: [PastUsage],
})
export class CallLimitsModule {}
