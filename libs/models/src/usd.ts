const NANO_DIGITS = 9;

/**
 * Nano-USD of a decimal string such as "1.25"; null when it is not one, is negative, or has more than 9 decimals.
 */
export function parseUsd(text: string): bigint | null {
  const match = /^(\d{1,9})(?:\.(\d{1,9}))?$/.exec(text);
  if (!match) return null;
  return BigInt(match[1] ?? '0') * 10n ** BigInt(NANO_DIGITS) + BigInt((match[2] ?? '').padEnd(NANO_DIGITS, '0'));
}

/** A decimal string in USD, exact, without trailing zeros: 1250000000n is "1.25". */
export function formatUsd(nanoUsd: bigint): string {
  const sign = nanoUsd < 0n ? '-' : '';
  const digits = (nanoUsd < 0n ? -nanoUsd : nanoUsd).toString().padStart(NANO_DIGITS + 1, '0');
  const fraction = digits.slice(-NANO_DIGITS).replace(/0+$/, '');
  return `${sign}${digits.slice(0, -NANO_DIGITS)}${fraction ? `.${fraction}` : ''}`;
}
