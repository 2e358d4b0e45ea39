import { type DynamicModule, Module } from '@nestjs/common';
import { getStorageToken, ThrottlerModule } from '@nestjs/throttler';
import { Clock, RedisConnection, RuntimeModule } from '@app/runtime';
import { ThrottleCounts } from './throttle-counts.js';
import { MINUTE_MS, type ThrottleLimits, Throttles } from './throttles.js';

/** Throttlers by client address, all in the same counts; `admin` is the one that guards of Nest's ask for. */
@Module({})
export class ThrottlingModule {
  static forRoot(limits: ThrottleLimits): DynamicModule {
    const guarded = { name: 'admin', ttl: MINUTE_MS, limit: limits.admin, blockDuration: 0, setHeaders: false };
    return {
      module: ThrottlingModule,
      global: true,
      imports: [
        ThrottlerModule.forRootAsync({
          imports: [RuntimeModule],
          inject: [RedisConnection, Clock],
          useFactory: (redis: RedisConnection, clock: Clock) => ({
            throttlers: [guarded],
            storage: new ThrottleCounts(redis, clock),
          }),
        }),
      ],
      providers: [
        { provide: ThrottleCounts, useExisting: getStorageToken() },
        {
          provide: Throttles,
          inject: [ThrottleCounts],
          useFactory: (counts: ThrottleCounts) => new Throttles(counts, limits),
        },
      ],
      exports: [Throttles],
    };
  }
}
