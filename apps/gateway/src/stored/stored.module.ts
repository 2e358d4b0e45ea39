import { Module } from '@nestjs/common';
import { ModelsModule } from '@app/models';
import { StoredResponsesModule } from '@app/stored-responses';
import { StoredController } from './stored.controller.js';
import { StoredProxy } from './stored.proxy.js';

@Module({
  imports: [ModelsModule, StoredResponsesModule],
  controllers: [StoredController],
  providers: [StoredProxy],
})
export class StoredModule {}
