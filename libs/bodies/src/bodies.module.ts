import { type DynamicModule, Module } from '@nestjs/common';
import { RuntimeModule } from '@app/runtime';
import { StorageModule } from '@app/storage';
import { BodyErasures } from './body-erasures.js';
import { BodyKeeper } from './body-keeper.js';
import { BodyKeyBox, BodyKeys } from './body-keys.js';
import { BodyLog } from './body-log.js';
import { BodySearch } from './body-search.js';
import { BodyTable } from './body-table.js';

/** Stored bodies. Configured once, at the composition root: the key that wraps the keys of days. */
@Module({})
export class BodiesModule {
  static forRoot(masterKey: Buffer): DynamicModule {
    return {
      module: BodiesModule,
      global: true,
      imports: [RuntimeModule, StorageModule],
      providers: [
        { provide: BodyKeyBox, useFactory: () => new BodyKeyBox(masterKey) },
        { provide: BodyKeys, useFactory: (box: BodyKeyBox) => new BodyKeys(box), inject: [BodyKeyBox] },
        BodyTable,
        BodyLog,
        BodySearch,
        BodyErasures,
        BodyKeeper,
      ],
      exports: [BodyLog, BodySearch, BodyErasures],
    };
  }
}
