import { type DynamicModule, Module } from '@nestjs/common';
import { RedisConnection } from './redis.js';

/** The connection to Redis. Configured once, at the composition root. */
@Module({})
export class RedisModule {
  /** @param url null: replicas share nothing, and `RedisConnection.client` is null */
  static forRoot(url: string | null): DynamicModule {
    return {
      module: RedisModule,
      global: true,
      providers: [{ provide: RedisConnection, useFactory: () => new RedisConnection(url) }],
      exports: [RedisConnection],
    };
  }
}
