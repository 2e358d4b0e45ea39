import { Module } from '@nestjs/common';
import { RuntimeModule } from '@app/runtime';
import { ModelCatalog } from './model-catalog.js';
import { ModelsService } from './models.service.js';
import { UnpricedModels } from './unpriced-models.js';
import { PriceImport } from './price-import.js';
import { PriceVersions } from './price-versions.js';

@Module({
  imports: [RuntimeModule],
  providers: [ModelCatalog, ModelsService, PriceImport, PriceVersions, UnpricedModels],
  exports: [ModelCatalog, ModelsService, PriceImport, PriceVersions, UnpricedModels],
})
export class ModelsModule {}
