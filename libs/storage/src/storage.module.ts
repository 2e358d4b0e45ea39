import { Module } from '@nestjs/common';
import { RuntimeModule } from '@app/runtime';
import { DiskUsage } from './disk-usage.js';
import { PartitionKeeper } from './partition-keeper.js';
import { Retention } from './retention.js';
import { StorageSettings } from './storage-settings.js';

/** How long what is stored is kept, and what it takes. */
@Module({
  imports: [RuntimeModule],
  providers: [DiskUsage, PartitionKeeper, Retention, StorageSettings],
  exports: [DiskUsage, StorageSettings],
})
export class StorageModule {}
