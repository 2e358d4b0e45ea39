import { Module } from '@nestjs/common';
import { RuntimeModule } from '@app/runtime';
import { PartitionKeeper } from './partition-keeper.js';
import { Repricing } from './repricing.js';
import { RequestLog } from './request-log.js';
import { RequestSearch } from './request-search.js';

@Module({
  imports: [RuntimeModule],
  providers: [RequestLog, RequestSearch, PartitionKeeper, Repricing],
  exports: [Repricing, RequestLog, RequestSearch],
})
export class JournalModule {}
