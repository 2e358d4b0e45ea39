import { type DynamicModule, Module } from '@nestjs/common';
import { CompactedHistories } from './compacted-histories.js';
import { CompactionSeal, compactionKeyOf } from './compaction-seal.js';
import { CompactionSettings } from './compaction-settings.js';
import { CompactionSupports } from './compaction-support.js';

/** Configured once, at the composition root: the key under which compactions are sealed. */
@Module({})
export class CompactionModule {
  static forRoot(masterKey: Buffer): DynamicModule {
    return {
      module: CompactionModule,
      global: true,
      providers: [
        CompactionSettings,
        CompactionSupports,
        CompactedHistories,
        {
          provide: CompactionSeal,
          inject: [CompactionSettings],
          useFactory: (settings: CompactionSettings) =>
            new CompactionSeal(compactionKeyOf(masterKey), () => settings.maxAgeSeconds),
        },
      ],
      exports: [CompactedHistories, CompactionSeal, CompactionSettings, CompactionSupports],
    };
  }
}
