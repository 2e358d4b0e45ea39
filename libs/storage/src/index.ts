export { PARTITIONED_TABLES } from './partitioned-tables.js';
export { Retention } from './retention.js';
export { StorageModule } from './storage.module.js';
export { type StorageOptions, StorageSettings } from './storage-settings.js';
