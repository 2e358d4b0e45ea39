import { formatDecimal, parseDecimal } from './decimal.js';

const DIGITS = 4;
const WHOLE_DIGITS_MAX = 4;
const ONE = 10_000n;

/** The multiplier that changes nothing. */
export const MULTIPLIER_ONE = ONE;

/** Ten-thousandths of a decimal string of 0 … 1000 with up to 4 decimals, such as "1.25"; null when it is not one. */
export function parseMultiplier(text: string): bigint | null {
  const multiplier = parseDecimal(text, WHOLE_DIGITS_MAX, DIGITS);
  return multiplier !== null && multiplier <= 1_000n * ONE ? multiplier : null;
}

/** The decimal string of so many ten-thousandths, without trailing zeros. */
export function formatMultiplier(multiplier: bigint): string {
  return formatDecimal(multiplier, DIGITS);
}

/** A cost times a multiplier in ten-thousandths, rounded half up. */
export function multipliedNanoUsd(baseNanoUsd: bigint, multiplier: bigint): bigint {
  return (baseNanoUsd * multiplier + ONE / 2n) / ONE;
}
