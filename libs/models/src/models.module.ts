import { Module } from '@nestjs/common';
import { RuntimeModule } from '@app/runtime';
import { ModelCatalog } from './model-catalog.js';
import { ModelsService } from './models.service.js';
import { PriceVersions } from './price-versions.js';

@Module({
  imports: [RuntimeModule],
  providers: [ModelCatalog, ModelsService, PriceVersions],
  exports: [ModelCatalog, ModelsService, PriceVersions],
})
export class ModelsModule {}
