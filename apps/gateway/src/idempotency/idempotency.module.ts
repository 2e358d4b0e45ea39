import { type DynamicModule, Module } from '@nestjs/common';
import { PrismaService } from '@app/database';
import { IdempotencyKeyPruner } from './idempotency-key-pruner.js';
import { IdempotencyKeys } from './idempotency-keys.js';

/** Configured once, at the composition root: the key that seals kept answers. */
@Module({})
export class IdempotencyModule {
  static forRoot(masterKey: Buffer): DynamicModule {
    return {
      module: IdempotencyModule,
      // Every controller of the admin API has the interceptor.
      global: true,
      providers: [
        {
          provide: IdempotencyKeys,
          useFactory: (prisma: PrismaService) => new IdempotencyKeys(prisma, masterKey),
          inject: [PrismaService],
        },
        IdempotencyKeyPruner,
      ],
      exports: [IdempotencyKeys],
    };
  }
}
