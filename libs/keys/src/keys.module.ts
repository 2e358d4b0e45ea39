import { Module } from '@nestjs/common';
import { GroupsModule } from '@app/groups';
import { RuntimeModule } from '@app/runtime';
import { KeyRing } from './key-ring.js';
import { KeysService } from './keys.service.js';
import { LastUsed } from './last-used.js';

@Module({
  imports: [GroupsModule, RuntimeModule],
  providers: [KeyRing, KeysService, LastUsed],
  exports: [KeyRing, KeysService, LastUsed],
})
export class KeysModule {}
