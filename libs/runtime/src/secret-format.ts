import { hash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** 62^43 is a little more than 2^256. */
const RANDOM_LENGTH = 43;
const CHECKSUM_LENGTH = 6;

/** How secrets of one kind look: a prefix, 43 random base62 characters, and their CRC32 in 6 more, so that a typo is known as one. */
export class SecretFormat {
  /** For secret scanners. */
  readonly pattern: RegExp;

  constructor(private readonly prefix: string) {
    this.pattern = new RegExp(`^${prefix}[0-9A-Za-z]{${RANDOM_LENGTH + CHECKSUM_LENGTH}}$`);
  }

  make(): string {
    const body = this.prefix + randomBase62(RANDOM_LENGTH);
    return body + checksum(body);
  }

  /**
   * The SHA-256 under which a presented secret is stored, in hex digits; null when the checksum is wrong, so that no look-up
   * happens for it.
   */
  check(secret: string): string | null {
    if (!this.pattern.test(secret)) return null;
    const body = secret.slice(0, -CHECKSUM_LENGTH);
    return checksum(body) === secret.slice(-CHECKSUM_LENGTH) ? hash('sha256', secret, 'hex') : null;
  }
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
