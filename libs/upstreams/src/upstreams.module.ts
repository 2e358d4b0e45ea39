import { type DynamicModule, Module } from '@nestjs/common';
import { ModelsModule } from '@app/models';
import { RuntimeModule } from '@app/runtime';
import { AddressPolicy } from './address-policy.js';
import { Routing } from './routing.js';
import { UpstreamCredentials } from './upstream-credentials.js';
import { UpstreamDirectory } from './upstream-directory.js';
import { UpstreamWatch } from './upstream-watch.js';
import { UpstreamsService } from './upstreams.service.js';

/** Configured once, at the composition root: the key that seals credentials, the private networks in which upstreams may be. */
@Module({})
export class UpstreamsModule {
  static forRoot(masterKey: Buffer, privateCidrs: readonly string[]): DynamicModule {
    return {
      module: UpstreamsModule,
      global: true,
      imports: [ModelsModule, RuntimeModule],
      providers: [
        { provide: UpstreamCredentials, useFactory: () => new UpstreamCredentials(masterKey) },
        { provide: AddressPolicy, useFactory: () => new AddressPolicy(privateCidrs) },
        UpstreamDirectory,
        UpstreamsService,
        Routing,
        UpstreamWatch,
      ],
      exports: [AddressPolicy, UpstreamCredentials, UpstreamDirectory, UpstreamsService, Routing],
    };
  }
}
