import { type DynamicModule, Module } from '@nestjs/common';
import { RedisConnection } from './redis.js';

/** The connection to Redis. Configured once, at the composition root. */
@Module({})
export class RedisModule {
  /**
   * @param url null: replicas share nothing, and `RedisConnection.client` is null
   * @param replicaId what this replica is called, now and after its next start
   * @param timeoutMs how long a request may wait for it
   */
  static forRoot(url: string | null, replicaId: string, timeoutMs: number): DynamicModule {
    return {
      module: RedisModule,
      global: true,
      providers: [{ provide: RedisConnection, useFactory: () => new RedisConnection(url, replicaId, timeoutMs) }],
      exports: [RedisConnection],
    };
  }
}
