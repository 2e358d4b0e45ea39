export { CallPricing, type Charge, type PricingTerms, UNPRICED, type UnpricedModelPolicy } from './call-pricing.js';
export { costNanoUsd, type ModelPrice, type TokenPrices } from './model-price.js';
export { type CatalogModel, ModelCatalog, type ModelRoute } from './model-catalog.js';
export { ModelsModule } from './models.module.js';
export { type ModelInput, type ModelRefusal, type ModelRow, ModelsService } from './models.service.js';
export { formatMultiplier, multipliedNanoUsd, parseMultiplier } from './price-multiplier.js';
export {
  type ImportedModel,
  type PriceDifference,
  PriceImport,
  type PriceImportOptions,
  type PriceImportReport,
} from './price-import.js';
export { type PriceInput, PriceVersions } from './price-versions.js';
export {
  fromStoredPrices,
  type PriceRow,
  type StoredPrices,
  tiersOf,
  toModelPrice,
  toStoredPrices,
} from './stored-prices.js';
export { UnpricedModels, type UnpricedUse } from './unpriced-models.js';
export { formatUsd, parseUsd } from './usd.js';
