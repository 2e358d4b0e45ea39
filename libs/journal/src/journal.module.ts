import { Module } from '@nestjs/common';
import { RuntimeModule } from '@app/runtime';
import { PartitionKeeper } from './partition-keeper.js';
import { RequestLog } from './request-log.js';
import { RequestSearch } from './request-search.js';

@Module({
  imports: [RuntimeModule],
  providers: [RequestLog, RequestSearch, PartitionKeeper],
  exports: [RequestLog, RequestSearch],
})
export class JournalModule {}
