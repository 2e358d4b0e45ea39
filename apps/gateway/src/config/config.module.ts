import { Module } from '@nestjs/common';
import { GroupsModule } from '@app/groups';
import { KeysModule } from '@app/keys';
import { ModelsModule } from '@app/models';
import { RuntimeModule } from '@app/runtime';
import { StorageModule } from '@app/storage';
import { AccessWrites } from './access-writes.js';
import { ConfigChecks } from './config-checks.js';
import { ConfigFiles } from './config-files.js';
import { ConfigWrites } from './config-writes.js';
import { ConfigController } from './config.controller.js';
import { InstallationWrites } from './installation-writes.js';
import { PresentConfig } from './present-config.js';
import { RouteWrites } from './route-writes.js';

/** The configuration as a file. */
@Module({
  imports: [GroupsModule, KeysModule, ModelsModule, RuntimeModule, StorageModule],
  controllers: [ConfigController],
  providers: [AccessWrites, ConfigChecks, ConfigFiles, ConfigWrites, InstallationWrites, PresentConfig, RouteWrites],
})
export class ConfigModule {}
