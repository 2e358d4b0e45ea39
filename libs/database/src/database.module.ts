import { type DynamicModule, Module } from '@nestjs/common';
import { AuditChain } from './audit-chain.js';
import { AuditLog } from './audit-log.js';
import { AuditSearch } from './audit-search.js';
import { ChangeFeed } from './change-feed.js';
import { InstallationSettings } from './installation-settings.js';
import { Notices } from './notices.js';
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
          provide: Notices,
          useFactory: (prisma: PrismaService) => new Notices(prisma, connectionString),
          inject: [PrismaService],
        },
        {
          provide: ChangeFeed,
          useFactory: (prisma: PrismaService, notices: Notices) => new ChangeFeed(prisma, notices),
          inject: [PrismaService, Notices],
        },
        AuditLog,
        AuditSearch,
        AuditChain,
        InstallationSettings,
      ],
      exports: [
        PrismaService,
        QuestionPool,
        ChangeFeed,
        Notices,
        AuditLog,
        AuditSearch,
        AuditChain,
        InstallationSettings,
      ],
    };
  }
}
