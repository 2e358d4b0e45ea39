import { JsonSyntaxError, readSpan, skipNested, stringEnd } from './json-bytes.js';
import { scanTrustedObject } from './json-scan.js';

/** What the gateway keeps of an output item: by what it can be referred to, and what binds it to its upstream. */
export interface OutputItem {
  readonly id: string | null;
  /** The text of `encrypted_content` in UTF-8; may be a view of the bytes that were read. */
  readonly encryptedContent: Buffer | null;
}

/** No answer has that many; more of them would be a way to fill the memory. */
const ITEMS_MAX = 4_096;

const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Reads the items of a response object's `output` from its bytes; what cannot be read is left out. */
export function readOutputItems(response: Buffer): OutputItem[] {
  return readItems(response, 'output');
}

/** The same for a list of input items, which are its `data`. */
export function readListedItems(list: Buffer): OutputItem[] {
  return readItems(list, 'data');
}

function readItems(raw: Buffer, member: string): OutputItem[] {
  const items: OutputItem[] = [];
  try {
    const [start = -1, end = -1] = scanTrustedObject(raw, [member]).spans;
    if (raw[start] !== OPEN_BRACKET) return items;
    for (let at = start + 1; at < end && items.length < ITEMS_MAX;) {
      switch (raw[at]) {
        case OPEN_BRACE: {
          const behind = skipNested(raw, at);
          const item = readItem(raw.subarray(at, behind));
          if (item) items.push(item);
          at = behind;
          break;
        }
        case OPEN_BRACKET:
          at = skipNested(raw, at);
          break;
        case QUOTE:
          at = stringEnd(raw, at);
          break;
        case CLOSE_BRACKET:
          return items;
        default:
          // Commas, space, and numbers and literals, which are no items.
          at++;
      }
    }
    return items;
  } catch (error) {
    if (error instanceof JsonSyntaxError) return items;
    throw error;
  }
}

function readItem(raw: Buffer): OutputItem | null {
  try {
    const [idStart = -1, idEnd = -1, start = -1, end = -1] = scanTrustedObject(raw, ['id', 'encrypted_content']).spans;
    const id = idStart === -1 ? null : readSpan(raw, idStart, idEnd);
    return { id: typeof id === 'string' ? id : null, encryptedContent: start === -1 ? null : textOf(raw, start, end) };
  } catch (error) {
    if (error instanceof JsonSyntaxError || error instanceof SyntaxError) return null;
    throw error;
  }
}

/** Sealed texts are long and hold no escapes: their bytes are taken as they stand. */
function textOf(raw: Buffer, start: number, end: number): Buffer | null {
  if (raw[start] !== QUOTE || end - start <= 2) return null;
  const text = raw.subarray(start + 1, end - 1);
  return text.includes(BACKSLASH) ? Buffer.from(JSON.parse(raw.toString('utf8', start, end)) as string) : text;
}
