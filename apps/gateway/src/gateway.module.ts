import { type DynamicModule, Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { AlertsModule } from '@app/alerts';
import { BodiesModule } from '@app/bodies';
import { CompactionModule } from '@app/compaction';
import { DatabaseModule } from '@app/database';
import { JournalModule, type JournalOptions } from '@app/journal';
import { KeysModule } from '@app/keys';
import { type OidcSettings, RedisModule, RuntimeModule } from '@app/runtime';
import { StorageModule } from '@app/storage';
import { UpstreamsModule } from '@app/upstreams';
import { AdminModule } from './admin/admin.module.js';
import { ConfigModule } from './config/config.module.js';
import { ConsoleController } from './console/console.controller.js';
import { HealthModule } from './health/health.module.js';
import type { AdminTokenHash } from './http/admin-token.js';
import { ExplainModule } from './explain/explain.module.js';
import { ErrorFilter } from './http/error.filter.js';
import { IdempotencyModule } from './idempotency/idempotency.module.js';
import { IdentityModule } from './identity/identity.module.js';
import { InputTokensModule } from './input-tokens/input-tokens.module.js';
import { CallLimitsModule } from './limits/call-limits.module.js';
import { LiveModule } from './live/live.module.js';
import { ModelRoutesModule } from './models/model-routes.module.js';
import { OrganizationModule } from './organization/organization.module.js';
import type { AnswerLimits } from './responses/answer-keeper.js';
import { ResponsesModule } from './responses/responses.module.js';
import { StoredModule } from './stored/stored.module.js';
import type { ThrottleLimits } from './throttling/throttles.js';
import { ThrottlingModule } from './throttling/throttling.module.js';

/** What a gateway is made of, besides its code. */
export interface GatewayIdentity {
  databaseUrl: string;
  /** null: replicas share nothing but the database */
  redisUrl: string | null;
  redisTimeoutMs: number;
  /** What this replica is called among the others. */
  replicaId: string;
  /** 32 bytes */
  masterKey: Buffer;
  adminToken: AdminTokenHash;
  /** null: operators sign in by password only */
  oidc: OidcSettings | null;
  /** Where browsers find the gateway; null: where their requests say. */
  publicUrl: string | null;
  answerLimits: AnswerLimits;
  throttling: ThrottleLimits;
  journal: JournalOptions;
  /** Private networks in which upstreams may be. */
  upstreamPrivateCidrs: readonly string[];
}

/**
 * The composition root. The way of a data-plane request, in order:
 *
 *  1. http/journal.hook.ts        opens the request's record; it will be logged when the response closes
 *  2. http/authenticate.hook.ts   WebSocket → 426; bearer key → caller, else 401; unknown route → 404; before the body is read;
 *                                 throttling/throttles: too many without a key              else 429
 *     http/admit.hook.ts          room for another request                                     else 503
 *  3. http/raw-body.ts            the body, as the client's bytes, decompressed                else 400, 413, 415
 *  4. responses/responses.controller.ts → responses.proxy.ts
 *       a. protocol/response-call     model and stream from the bytes                         else 400
 *       b. models/model-permissions   may this caller use this model                          else 403
 *          models/model-catalog       what it will cost; no price may mean                    else 400
 *          limits/call-limits         room in the limits of key and group                    else 429
 *       c. upstreams/routing          candidates, in order                                    else 503
 *          compaction/                only calls that ask for one, carry one, or are too long
 *       d. upstreams/forwarding       the first that can be reached                           else 502, 504
 *       e. responses/response-pump    bytes to the client; the record is settled on the way
 *     or stored/stored.controller.ts → stored.proxy.ts, for responses that are there already
 *       a. stored-responses           does the caller's group own the id, and who holds it    else 404
 *       b. to that upstream by d and e of above; nothing is accounted twice
 *       journal/request-journal     holds it from d on, and its end before the client sees that
 *  5. journal/request-log         into PostgreSQL, later, in batches
 *  Any throw → http/error.filter.ts
 */
@Module({})
export class GatewayModule {
  static forRoot(identity: GatewayIdentity): DynamicModule {
    const { databaseUrl, redisUrl, redisTimeoutMs, replicaId, masterKey, answerLimits, journal, upstreamPrivateCidrs } =
      identity;
    return {
      module: GatewayModule,
      imports: [
        DatabaseModule.forRoot(databaseUrl),
        RedisModule.forRoot(redisUrl, replicaId, redisTimeoutMs),
        UpstreamsModule.forRoot(masterKey, upstreamPrivateCidrs),
        CompactionModule.forRoot(masterKey),
        AlertsModule.forRoot(masterKey),
        ThrottlingModule.forRoot(identity.throttling),
        RuntimeModule,
        KeysModule,
        JournalModule.forRoot(journal),
        StorageModule,
        BodiesModule.forRoot(masterKey),
        HealthModule,
        ResponsesModule.forRoot(answerLimits),
        CallLimitsModule,
        InputTokensModule,
        StoredModule,
        ExplainModule,
        ModelRoutesModule,
        AdminModule,
        ConfigModule,
        IdentityModule.forRoot(identity),
        IdempotencyModule.forRoot(masterKey),
        OrganizationModule,
        LiveModule,
      ],
      controllers: [ConsoleController],
      providers: [{ provide: APP_FILTER, useClass: ErrorFilter }],
    };
  }
}
