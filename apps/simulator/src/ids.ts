import { randomFillSync } from 'node:crypto';

/** The prefixes of OpenAI's object ids that the simulator hands out. */
export type IdPrefix = 'resp' | 'msg' | 'rs' | 'fc' | 'ctc' | 'tsc' | 'cmp';

/** A new object id in OpenAI's shape: prefix, underscore, 50 hex digits. */
export function newId(prefix: IdPrefix): string {
  return `${prefix}_${randomDigits(25, 'hex')}`;
}

/** A new `call_…` id, by which a tool output refers to its call. */
export function newCallId(): string {
  return `call_${randomDigits(12, 'hex')}`;
}

/** A new `req_…` id for the `x-request-id` header. */
export function newRequestId(): string {
  return `req_${randomDigits(16, 'hex')}`;
}

/** Text that looks like OpenAI's sealed blobs (encrypted reasoning, compaction, turn state). */
export function newSealedText(bytes: number): string {
  return `gAAAAAB${randomDigits(bytes, 'base64url')}`;
}

// One call into the random generator serves some hundred ids: the simulator is a load target.
const pool = Buffer.allocUnsafe(16_384);
let poolOffset = pool.length;

function randomDigits(bytes: number, encoding: 'hex' | 'base64url'): string {
  if (poolOffset + bytes > pool.length) {
    randomFillSync(pool);
    poolOffset = 0;
  }
  const digits = pool.toString(encoding, poolOffset, poolOffset + bytes);
  poolOffset += bytes;
  return digits;
}
