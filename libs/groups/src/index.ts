export { type BodyPolicy, bodyPolicyOf, type Redaction, type StoredBodyPolicy } from './body-policy.js';
export { GroupDirectory } from './group-directory.js';
export {
  type CompactionOutput,
  type EncryptedContentOnMove,
  type GroupPolicy,
  modelRule,
  type ModelRule,
  type OnClientLeft,
} from './group-policy.js';
export { GroupsModule } from './groups.module.js';
export { type GroupInput, type GroupRow, GroupsService } from './groups.service.js';
