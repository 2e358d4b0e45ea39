import { Module } from '@nestjs/common';
import { ModelsModule } from '@app/models';
import { ModelPermissions } from './model-permissions.js';
import { ModelsController } from './models.controller.js';

@Module({
  imports: [ModelsModule],
  controllers: [ModelsController],
  providers: [ModelPermissions],
  exports: [ModelPermissions],
})
export class ModelRoutesModule {}
