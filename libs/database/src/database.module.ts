import { type DynamicModule, Module } from '@nestjs/common';
import { AuditLog } from './audit-log.js';
import { ChangeFeed } from './change-feed.js';
import { PrismaService } from './prisma.service.js';
import { QuestionPool } from './question-pool.js';

/** The database and what keeps memory in step with it. Configured once, at the composition root. */
@Module({})
export class DatabaseModule {
  static forRoot(connectionString: string): DynamicModule {
    return {
      module: DatabaseModule,
      global: true,
      providers: [
        { provide: PrismaService, useFactory: () => new PrismaService(connectionString) },
        { provide: QuestionPool, useFactory: () => new QuestionPool(connectionString) },
        {
          provide: ChangeFeed,
          useFactory: (prisma: PrismaService) => new ChangeFeed(prisma, connectionString),
          inject: [PrismaService],
        },
        AuditLog,
      ],
      exports: [PrismaService, QuestionPool, ChangeFeed, AuditLog],
    };
  }
}
