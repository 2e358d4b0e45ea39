/** A decimal string in units of its last decimal: "1.25" with four decimals is 12500n; null when it is none, is negative or has more digits. */
export function parseDecimal(text: string, wholeDigitsMax: number, decimals: number): bigint | null {
  const [, whole = '', fraction = ''] = /^(\d+)(?:\.(\d+))?$/.exec(text) ?? [];
  const isOne = whole !== '' && whole.length <= wholeDigitsMax && fraction.length <= decimals;
  return isOne ? BigInt(whole + fraction.padEnd(decimals, '0')) : null;
}

/** The decimal string, exact, without trailing zeros. */
export function formatDecimal(amount: bigint, decimals: number): string {
  const sign = amount < 0n ? '-' : '';
  const digits = (amount < 0n ? -amount : amount).toString().padStart(decimals + 1, '0');
  const fraction = digits.slice(-decimals).replace(/0+$/, '');
  return `${sign}${digits.slice(0, -decimals)}${fraction ? `.${fraction}` : ''}`;
}
