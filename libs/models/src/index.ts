export { costNanoUsd, type ModelPrice } from './model-price.js';
export { type CatalogModel, ModelCatalog, type ModelRoute } from './model-catalog.js';
export { ModelsModule } from './models.module.js';
export { type ModelInput, type ModelRow, ModelsService } from './models.service.js';
export { formatUsd, parseUsd } from './usd.js';
