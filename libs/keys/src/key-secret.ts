import { hash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

const PREFIX = 'sk-tg-';
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** 62^43 is a little more than 2^256. */
const RANDOM_LENGTH = 43;
const CHECKSUM_LENGTH = 6;

/** For secret scanners: what a Tollgate key looks like. */
export const SECRET_PATTERN = /^sk-tg-[0-9A-Za-z]{49}$/;

/** A new secret: prefix, 43 random base62 characters, and their CRC32 in 6 more, so that a typo is known as one. */
export function makeSecret(): string {
  const body = PREFIX + randomBase62(RANDOM_LENGTH);
  return body + checksum(body);
}

/**
 * The SHA-256 under which a presented secret is stored, as a binary string; null when the checksum is wrong, so that no
 * look-up happens for it.
 */
export function checkSecret(secret: string): string | null {
  if (!SECRET_PATTERN.test(secret)) return null;
  const body = secret.slice(0, -CHECKSUM_LENGTH);
  if (checksum(body) !== secret.slice(-CHECKSUM_LENGTH)) return null;
  return hash('sha256', secret, 'hex');
}

function randomBase62(length: number): string {
  let text = '';
  while (text.length < length) {
    // 248 is the largest multiple of 62 in a byte: above it some characters would come more often.
    for (const byte of randomBytes(64)) {
      if (byte < 248 && text.length < length) text += ALPHABET[byte % 62] ?? '';
    }
  }
  return text;
}

function checksum(body: string): string {
  let rest = crc32(body);
  let text = '';
  for (let i = 0; i < CHECKSUM_LENGTH; i++) {
    text = (ALPHABET[rest % 62] ?? '') + text;
    rest = Math.floor(rest / 62);
  }
  return text;
}
