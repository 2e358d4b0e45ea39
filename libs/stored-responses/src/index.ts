export { EncryptedContentOrigins } from './encrypted-content-origins.js';
export { type StoredId, type StoredIdKind, isStorableId } from './stored-id.js';
export { type NotedResponse, StoredResponses } from './stored-responses.js';
export { StoredResponsesModule } from './stored-responses.module.js';
