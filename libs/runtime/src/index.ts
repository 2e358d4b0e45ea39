export { BatchWriter, type BatchWriterOptions } from './batch-writer.js';
export { Clock } from './clock.js';
export { holdWhileWriting, PooledBuffer, pooledMemoryOf } from './pooled-buffer.js';
export { isProcessAlive, isProgramAlive } from './process-alive.js';
export { readSettings, type Settings, SettingsError } from './settings.js';
export { RuntimeModule } from './runtime.module.js';
export { SecretBox } from './secret-box.js';
export { newId, timeOfId } from './time-ordered-id.js';
