import { Module } from '@nestjs/common';
import { RuntimeModule } from '@app/runtime';
import { PartitionKeeper } from './partition-keeper.js';
import { Retention } from './retention.js';
import { StorageSettings } from './storage-settings.js';

/** How long what is stored is kept, and what it takes. */
@Module({
  imports: [RuntimeModule],
  providers: [PartitionKeeper, Retention, StorageSettings],
  exports: [Retention, StorageSettings],
})
export class StorageModule {}
