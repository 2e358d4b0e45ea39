export { checkSecret, makeSecret, SECRET_PATTERN } from './key-secret.js';
export { type Caller, KeyRing } from './key-ring.js';
export { KeysModule } from './keys.module.js';
export { type IssuedKey, type KeyInput, type KeyRow, KeysService, keyStatus } from './keys.service.js';
export { LastUsed } from './last-used.js';
