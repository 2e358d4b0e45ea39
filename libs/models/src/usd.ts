import { formatDecimal, parseDecimal } from './decimal.js';

const NANO_DIGITS = 9;
const WHOLE_DIGITS_MAX = 9;

/**
 * Nano-USD of a decimal string such as "1.25"; null when it is not one, is negative, or has more than 9 decimals.
 */
export function parseUsd(text: string): bigint | null {
  return parseDecimal(text, WHOLE_DIGITS_MAX, NANO_DIGITS);
}

/** A decimal string in USD, exact, without trailing zeros: 1250000000n is "1.25". */
export function formatUsd(nanoUsd: bigint): string {
  return formatDecimal(nanoUsd, NANO_DIGITS);
}
