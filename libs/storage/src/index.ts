export { type DatabaseUsage, DiskUsage } from './disk-usage.js';
export { StorageModule } from './storage.module.js';
export { type StorageOptions, StorageSettings } from './storage-settings.js';
