import { type DynamicModule, Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { DatabaseModule } from '@app/database';
import { JournalModule } from '@app/journal';
import { KeysModule } from '@app/keys';
import { RuntimeModule } from '@app/runtime';
import { UpstreamsModule } from '@app/upstreams';
import { AdminModule } from './admin/admin.module.js';
import { ConsoleController } from './console/console.controller.js';
import { HealthModule } from './health/health.module.js';
import type { AdminTokenHash } from './http/admin-token.js';
import { ErrorFilter } from './http/error.filter.js';
import { ModelRoutesModule } from './models/model-routes.module.js';
import { ResponsesModule } from './responses/responses.module.js';

/** What a gateway is made of, besides its code. */
export interface GatewayIdentity {
  databaseUrl: string;
  /** 32 bytes */
  masterKey: Buffer;
  adminToken: AdminTokenHash;
}

/**
 * The composition root. The way of a data-plane request, in order:
 *
 *  1. http/journal.hook.ts        opens the request's record; it will be logged when the response closes
 *  2. http/authenticate.hook.ts   WebSocket → 426; bearer key → caller, else 401; unknown route → 404; before the body is read
 *  3. http/raw-body.ts            the body, as the client's bytes
 *  4. responses/responses.controller.ts → responses.proxy.ts
 *       a. protocol/response-call     model and stream from the bytes                         else 400
 *       b. models/model-permissions   may this caller use this model                          else 403
 *       c. upstreams/routing          candidates, in order                                    else 503
 *       d. upstreams/forwarding       the first that can be reached                           else 502, 504
 *       e. responses/response-pump    bytes to the client; the record is settled on the way
 *  5. journal/request-log         into PostgreSQL, later, in batches
 *  Any throw → http/error.filter.ts
 */
@Module({})
export class GatewayModule {
  static forRoot({ databaseUrl, masterKey }: GatewayIdentity): DynamicModule {
    return {
      module: GatewayModule,
      imports: [
        DatabaseModule.forRoot(databaseUrl),
        UpstreamsModule.forRoot(masterKey),
        RuntimeModule,
        KeysModule,
        JournalModule,
        HealthModule,
        ResponsesModule,
        ModelRoutesModule,
        AdminModule,
      ],
      controllers: [ConsoleController],
      providers: [{ provide: APP_FILTER, useClass: ErrorFilter }],
    };
  }
}
