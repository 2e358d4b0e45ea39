import { scanTrustedObject } from './json-scan.js';
import { type ResponseCall, spanOfMember } from './response-call.js';

/** Where in a body that stands which a prompt begins with: start and end (exclusive); -1 when absent. */
export interface PrefixParts {
  readonly instructions: { readonly start: number; readonly end: number };
  readonly tools: { readonly start: number; readonly end: number };
  /** Start and end of each item of the input, in turn; an input that is a text is one. */
  readonly items: readonly number[];
}

type ScannedBody = Pick<ResponseCall, 'raw' | 'scan'>;

/** What a type may look like to be told to anybody: it comes from the client. With its quotes. */
const ITEM_TYPE = /^"[a-z][a-z0-9_]*"$/;
const ITEM_TYPE_BYTES_MAX = 66;
const BRACE = 0x7b;
const BRACKET = 0x5b;

/** The parts of a call that a provider's prompt cache compares with those of calls before it. */
export function prefixParts({ raw, scan }: ScannedBody): PrefixParts {
  const { start, end } = spanOfMember(scan, 'input');
  return {
    instructions: spanOfMember(scan, 'instructions'),
    tools: spanOfMember(scan, 'tools'),
    items: start === -1 || raw[start] === BRACKET ? scan.elements : [start, end],
  };
}

/** The type of an item of the input; null when it has none that can be told. A message need not name it. */
export function itemTypeAt(call: ScannedBody, itemIndex: number): string | null {
  const { raw } = call;
  const { items } = prefixParts(call);
  const [start = -1, end = -1] = [items[itemIndex * 2], items[itemIndex * 2 + 1]];
  if (raw[start] !== BRACE) return null;
  const item = raw.subarray(start, end);
  const { spans } = scanTrustedObject(item, ['type', 'role']);
  const [typeStart = -1, typeEnd = -1, roleStart = -1] = spans;
  if (typeStart === -1) return roleStart === -1 ? null : 'message';
  // As it stands: nobody has looked yet whether it can be decoded.
  const type = typeEnd - typeStart > ITEM_TYPE_BYTES_MAX ? '' : item.toString('latin1', typeStart, typeEnd);
  return ITEM_TYPE.test(type) ? type.slice(1, -1) : null;
}
