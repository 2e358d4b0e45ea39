const DIGITS = 4;
const ONE = 10_000n;

/** The multiplier that changes nothing. */
export const MULTIPLIER_ONE = ONE;

/** Ten-thousandths of a decimal string of 0 … 1000 with up to 4 decimals, such as "1.25"; null when it is not one. */
export function parseMultiplier(text: string): bigint | null {
  const match = /^(\d{1,4})(?:\.(\d{1,4}))?$/.exec(text);
  if (!match) return null;
  const multiplier = BigInt(match[1] ?? '0') * ONE + BigInt((match[2] ?? '').padEnd(DIGITS, '0'));
  return multiplier <= 1_000n * ONE ? multiplier : null;
}

/** The decimal string of so many ten-thousandths, without trailing zeros. */
export function formatMultiplier(multiplier: bigint): string {
  const digits = multiplier.toString().padStart(DIGITS + 1, '0');
  const fraction = digits.slice(-DIGITS).replace(/0+$/, '');
  return `${digits.slice(0, -DIGITS)}${fraction ? `.${fraction}` : ''}`;
}

/** A cost times a multiplier in ten-thousandths, rounded half up. */
export function multipliedNanoUsd(baseNanoUsd: bigint, multiplier: bigint): bigint {
  return (baseNanoUsd * multiplier + ONE / 2n) / ONE;
}
