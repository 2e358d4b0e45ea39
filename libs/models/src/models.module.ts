import { Module } from '@nestjs/common';
import { ModelCatalog } from './model-catalog.js';
import { ModelsService } from './models.service.js';

@Module({ providers: [ModelCatalog, ModelsService], exports: [ModelCatalog, ModelsService] })
export class ModelsModule {}
