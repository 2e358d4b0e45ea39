import { Module } from '@nestjs/common';
import { LimitsModule } from '@app/limits';
import { GroupDirectory } from './group-directory.js';
import { GroupsService } from './groups.service.js';

@Module({
  imports: [LimitsModule],
  providers: [GroupDirectory, GroupsService],
  exports: [GroupDirectory, GroupsService],
})
export class GroupsModule {}
