import { Module } from '@nestjs/common';
import { GroupDirectory } from './group-directory.js';
import { GroupsService } from './groups.service.js';

@Module({ providers: [GroupDirectory, GroupsService], exports: [GroupDirectory, GroupsService] })
export class GroupsModule {}
