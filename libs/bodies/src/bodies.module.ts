import { type DynamicModule, Module } from '@nestjs/common';
import { RuntimeModule } from '@app/runtime';
import { BodyErasures } from './body-erasures.js';
import { BodyKeeper } from './body-keeper.js';
import { BodyKeyBox, BodyKeys } from './body-keys.js';
import { BodyLog } from './body-log.js';
import { BodyOptions } from './body-options.js';
import { BodySearch } from './body-search.js';
import { BodyTable } from './body-table.js';

/** Stored bodies. Configured once, at the composition root: the key that wraps the keys of days, and how long bodies are kept. */
@Module({})
export class BodiesModule {
  static forRoot(masterKey: Buffer, retentionDays: number): DynamicModule {
    return {
      module: BodiesModule,
      global: true,
      imports: [RuntimeModule],
      providers: [
        { provide: BodyKeyBox, useFactory: () => new BodyKeyBox(masterKey) },
        { provide: BodyKeys, useFactory: (box: BodyKeyBox) => new BodyKeys(box), inject: [BodyKeyBox] },
        { provide: BodyOptions, useFactory: () => new BodyOptions(retentionDays) },
        BodyTable,
        BodyLog,
        BodySearch,
        BodyErasures,
        BodyKeeper,
      ],
      exports: [BodyLog, BodySearch, BodyErasures, BodyOptions],
    };
  }
}
