export { ERROR_CATALOGUE, type ErrorCode } from './error-catalogue.js';
export { errors } from './errors.js';
export { EventStreamTap } from './event-stream-tap.js';
export { GatewayError, type GatewayErrorOptions } from './gateway-error.js';
export { JsonSyntaxError, type ObjectScan, scanObject } from './json-scan.js';
export { readResponseCall, type ResponseCall, rewriteCall } from './response-call.js';
export { responseFailedEvent } from './response-failed-event.js';
export { readResponseSummary, type ResponseSummary, type TokenUsage, UNREAD_RESPONSE } from './response-summary.js';
