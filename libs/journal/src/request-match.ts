import { BlockList, isIPv4 } from 'node:net';
import type { RequestField } from '@app/contract';
import { FIELD_COLUMNS, type Range, type RequestFilter } from './request-filter.js';
import type { RequestRow } from './request-row.js';

/** Whether a row has what it takes. */
export type RequestMatch = (row: RequestRow) => boolean;

/** What `conditionsOf` asks of the rows of the log, asked of a row in memory. */
export function requestMatch(filter: RequestFilter): RequestMatch {
  const { only, except, ranges, idPrefix, errorText, from, to, ownKeys } = filter;
  const matches: RequestMatch[] = [];
  if (ownKeys) matches.push(({ key_id: keyId }) => keyId !== null && ownKeys.includes(keyId));
  if (from) matches.push((row) => row.started_at >= from);
  if (to) matches.push((row) => row.started_at < to);
  if (idPrefix !== null) matches.push((row) => row.id.replaceAll('-', '').startsWith(idPrefix));
  for (const [field, values] of Object.entries(only)) matches.push(isAny(field as RequestField, values));
  for (const [field, values] of Object.entries(except)) {
    const isExcluded = isAny(field as RequestField, values);
    matches.push((row) => !isExcluded(row));
  }
  for (const [amount, range] of Object.entries(ranges)) matches.push(isWithin(amount as keyof typeof ranges, range));
  if (errorText !== null) {
    const text = errorText.toLowerCase();
    matches.push((row) => [row.error_code, row.error_message].some((cell) => cell?.toLowerCase().includes(text)));
  }
  return (row) => matches.every((match) => match(row));
}

function isAny(field: RequestField, values: readonly string[]): RequestMatch {
  const { column } = FIELD_COLUMNS[field];
  const wanted = new Set(values);
  const networks = field === 'client_ip' ? networksOf(values) : null;
  return (row) => {
    const text = field === 'cache_drop' ? (row.cache_drop?.cause ?? '') : String(row[column] ?? '');
    if (wanted.has(text)) return true;
    if (field === 'status') return wanted.has(`${text[0]}xx`);
    if (field === 'client') return text !== '' && wanted.has(text.split('/', 1)[0] ?? '');
    return networks !== null && text !== '' && networks(text);
  };
}

/** Addresses of IPv4 and of IPv6 are never in each other's networks. */
function networksOf(values: readonly string[]): (address: string) => boolean {
  const [ipv4, ipv6] = [new BlockList(), new BlockList()];
  for (const value of values) {
    if (value === '') continue;
    const [address = '', length] = value.split('/');
    if (isIPv4(address)) ipv4.addSubnet(address, Number(length ?? 32), 'ipv4');
    else ipv6.addSubnet(address, Number(length ?? 128), 'ipv6');
  }
  return (address) => (isIPv4(address) ? ipv4.check(address, 'ipv4') : ipv6.check(address, 'ipv6'));
}

function isWithin(amount: keyof RequestFilter['ranges'], { min, max }: Range): RequestMatch {
  return (row) => {
    const value = amount === 'total_tokens' ? totalTokens(row) : row[amount];
    return value !== null && (min === undefined || value >= min) && (max === undefined || value <= max);
  };
}

function totalTokens({ input_tokens: input, output_tokens: output }: RequestRow): bigint | null {
  return input === null || output === null ? null : input + output;
}
