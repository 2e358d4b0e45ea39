import { createHash, randomBytes } from 'node:crypto';
import { Secret, TOTP } from 'otpauth';

/** RFC 4226 wants 128 bits at least, and recommends 160. */
const SECRET_BYTES = 20;
const STEP_SECONDS = 30;
/** A clock may be off by one step, and a code may be typed for as long. */
const WINDOW_STEPS = 1;
const RECOVERY_CODES = 10;
const RECOVERY_BYTES = 10;
/** Without letters that are taken for digits. */
const ALPHABET = 'abcdefghjkmnpqrstvwxyz0123456789';

/** A new secret, in base32. */
export function makeTotpSecret(): string {
  return new Secret({ size: SECRET_BYTES }).base32;
}

/** As authenticators read it from a QR code. */
export function otpauthUrl(secret: string, email: string): string {
  return totpOf(secret, email).toString();
}

/** Six digits, in whatever groups; anything else may be a recovery code. */
export function isTotpCode(text: string): boolean {
  return /^\d{6}$/.test(text.replaceAll(/\s/g, ''));
}

/** The step whose code this is, RFC 6238; null: it is the code of no step near by. */
export function stepOfCode(secret: string, code: string, nowMs: number): number | null {
  if (!isTotpCode(code)) return null;
  const delta = totpOf(secret).validate({ token: code.replaceAll(/\s/g, ''), timestamp: nowMs, window: WINDOW_STEPS });
  return delta === null ? null : Math.floor(nowMs / 1_000 / STEP_SECONDS) + delta;
}

/** Ten of them, of 80 bits each: nobody guesses one, and no slow hash is needed. */
export function makeRecoveryCodes(): string[] {
  return Array.from({ length: RECOVERY_CODES }, () => {
    const bits = [...randomBytes(RECOVERY_BYTES)].map((byte) => byte.toString(2).padStart(8, '0')).join('');
    const letters = bits.replaceAll(/.{5}/g, (five) => ALPHABET[Number.parseInt(five, 2)] ?? '');
    return letters.replaceAll(/.{4}(?=.)/g, '$&-');
  });
}

/** However it was typed: case, spaces and dashes say nothing. */
export function hashOfRecoveryCode(code: string): string {
  const letters = code.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  return createHash('sha256').update(letters).digest('hex');
}

function totpOf(secret: string, label = ''): TOTP {
  return new TOTP({ issuer: 'Tollgate', label, secret: Secret.fromBase32(secret), period: STEP_SECONDS });
}
