import { type DynamicModule, Module } from '@nestjs/common';
import { ModelsModule } from '@app/models';
import { RuntimeModule } from '@app/runtime';
import { Routing } from './routing.js';
import { UpstreamCredentials } from './upstream-credentials.js';
import { UpstreamDirectory } from './upstream-directory.js';
import { UpstreamsService } from './upstreams.service.js';

/** Configured once, at the composition root, with the key that seals credentials. */
@Module({})
export class UpstreamsModule {
  static forRoot(masterKey: Buffer): DynamicModule {
    return {
      module: UpstreamsModule,
      global: true,
      imports: [ModelsModule, RuntimeModule],
      providers: [
        { provide: UpstreamCredentials, useFactory: () => new UpstreamCredentials(masterKey) },
        UpstreamDirectory,
        UpstreamsService,
        Routing,
      ],
      exports: [UpstreamCredentials, UpstreamDirectory, UpstreamsService, Routing],
    };
  }
}
