import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Encrypts with AES-256-GCM. What it belongs to is authenticated with it, so that it does not open in another's place.
 * Layout: nonce (12) ‖ tag (16) ‖ ciphertext.
 */
export function encryptBody(key: Uint8Array, plain: Uint8Array, belongsTo: string): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(belongsTo));
  const head = cipher.update(plain);
  const tail = cipher.final();
  return Buffer.concat([nonce, cipher.getAuthTag(), head, tail]);
}

/** @throws Error when the bytes were changed, belong to something else, or were encrypted under another key */
export function decryptBody(key: Uint8Array, sealed: Uint8Array, belongsTo: string): Buffer {
  const nonce = sealed.subarray(0, NONCE_BYTES);
  const tag = sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(belongsTo)).setAuthTag(tag);
  return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]);
}

/** What the body of a request belongs to. */
export function placeOf(requestId: string, kind: string): string {
  return `${requestId}/${kind}`;
}
