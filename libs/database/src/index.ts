export { AuditLog, type AuditWrite } from './audit-log.js';
export { ChangeFeed, type ChangeTopic } from './change-feed.js';
export { DatabaseModule } from './database.module.js';
export { type EmbeddedPostgres, startEmbeddedPostgres } from './embedded-postgres.js';
export { Prisma } from './generated/client.js';
export { applyMigrations } from './migrations.js';
export { Notices } from './notices.js';
export { PrismaService, type Transaction } from './prisma.service.js';
export { readSetting, writeSetting } from './settings-table.js';
