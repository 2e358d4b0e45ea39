import { createHash, timingSafeEqual } from 'node:crypto';

/** The SHA-256 of the admin token; the token itself is nowhere in memory. */
export class AdminTokenHash {
  constructor(readonly sha256: Buffer) {}

  static of(token: string): AdminTokenHash {
    return new AdminTokenHash(createHash('sha256').update(token).digest());
  }

  matches(presented: string | null): boolean {
    const hash = createHash('sha256')
      .update(presented ?? '')
      .digest();
    return presented !== null && timingSafeEqual(hash, this.sha256);
  }
}
