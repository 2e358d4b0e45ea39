import { toPublicId } from '@app/contract';
import { newId } from '@app/runtime';

/** An `x-request-id` for an answer that has no record of its own. */
export function newRequestId(): string {
  return toPublicId('request', newId());
}
