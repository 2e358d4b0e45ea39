export { CollectedResponse } from './collected-response.js';
export { ERROR_CATALOGUE, type ErrorCode } from './error-catalogue.js';
export { errors } from './errors.js';
export { EventStreamTap, type TerminalEvent } from './event-stream-tap.js';
export { GatewayError, type GatewayErrorOptions } from './gateway-error.js';
export { JsonSyntaxError } from './json-bytes.js';
export { type ItemScan, type ObjectScan, scanObject } from './json-scan.js';
export { type InputItem, readInputItems } from './input-items.js';
export {
  type CallChanges,
  type ItemEdit,
  type MemberOverride,
  rewriteCall,
  withItems,
  withMembers,
} from './call-rewriting.js';
export { memberTexts } from './member-texts.js';
export { type OutputItem, readListedItems, readOutputItems } from './output-items.js';
export { itemTypeAt, type PrefixParts, prefixParts } from './prefix-parts.js';
export {
  type EncryptedContent,
  encryptedContentFingerprint,
  readResponseCall,
  type ResponseCall,
  sealedText,
} from './response-call.js';
export { responseEvents } from './response-events.js';
export { responseFailedEvent } from './response-failed-event.js';
export { readResponseSummary, type ResponseSummary, type TokenUsage, UNREAD_RESPONSE } from './response-summary.js';
export { StreamNormalizer } from './stream-normalizer.js';
