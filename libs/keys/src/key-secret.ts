import { SecretFormat } from '@app/runtime';

const FORMAT = new SecretFormat('sk-tg-');

/** For secret scanners: what a Tollgate key looks like. */
export const SECRET_PATTERN = FORMAT.pattern;

/** A new secret of a key. */
export function makeSecret(): string {
  return FORMAT.make();
}

/** The SHA-256 under which a presented secret is stored; null for what cannot be the secret of a key. */
export function checkSecret(secret: string): string | null {
  return FORMAT.check(secret);
}
