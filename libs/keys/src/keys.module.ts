import { Module } from '@nestjs/common';
import { GroupsModule } from '@app/groups';
import { LimitsModule } from '@app/limits';
import { RuntimeModule } from '@app/runtime';
import { KeyRing } from './key-ring.js';
import { KeysService } from './keys.service.js';
import { LastUsed } from './last-used.js';

@Module({
  imports: [GroupsModule, LimitsModule, RuntimeModule],
  providers: [KeyRing, KeysService, LastUsed],
  exports: [KeyRing, KeysService, LastUsed],
})
export class KeysModule {}
