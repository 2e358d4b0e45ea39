import { startsWithAscii } from './ascii.js';

/** Thrown when bytes are not the JSON that was expected; `offset` is the position of the first offending byte. */
export class JsonSyntaxError extends Error {
  constructor(
    reason: string,
    readonly offset: number,
  ) {
    super(`${reason} at byte ${offset}`);
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** How many bytes of a string are looked at one by one before the native search takes over: most strings are short. */
const NEAR_BYTES = 32;
/** Longer strings are left to the parser. */
const PLAIN_BYTES_MAX = 128;

/** The offset behind the string that starts here. */
export function stringEnd(raw: Buffer, start: number): number {
  let at = start + 1;
  for (;;) {
    const near = Math.min(at + NEAR_BYTES, raw.length);
    for (; at < near; at++) {
      const byte = raw[at];
      if (byte === QUOTE) return at + 1;
      if (byte === BACKSLASH) at++;
    }
    const quote = raw.indexOf(QUOTE, at);
    if (quote === -1) throw new JsonSyntaxError('a string without an end, starting', start);
    let backslashes = 0;
    while (quote - 1 - backslashes >= at && raw[quote - 1 - backslashes] === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return quote + 1;
    at = quote + 1;
  }
}

/** Skips an object or array by its brackets and returns the offset behind it. */
export function skipNested(raw: Buffer, start: number): number {
  let depth = 0;
  for (let at = start; at < raw.length; at++) {
    switch (raw[at]) {
      case 0x7b:
      case 0x5b:
        depth++;
        break;
      case 0x7d:
      case 0x5d:
        if (--depth === 0) return at + 1;
        break;
      case QUOTE:
        at = stringEnd(raw, at) - 1;
        break;
      default:
    }
  }
  throw new JsonSyntaxError('the JSON ends too early,', raw.length);
}

/** Whether the bytes from `start` to `end` are an ASCII text. */
export function isTextAt(raw: Buffer, start: number, end: number, text: string): boolean {
  return end - start === text.length && startsWithAscii(raw, start, end, text);
}

/** Decodes the JSON value that stands in the given span of bytes; what is most frequent, without a parser. */
export function readSpan(raw: Buffer, start: number, end: number): unknown {
  const first = raw[start];
  if (first === 0x6e) return null;
  if (first === 0x74) return true;
  if (first === 0x66) return false;
  if (first === QUOTE && isPlain(raw, start + 1, end - 1)) return raw.toString('latin1', start + 1, end - 1);
  return JSON.parse(raw.toString('utf8', start, end));
}

/** Whether the inside of a string is short printable ASCII without escapes. */
function isPlain(raw: Buffer, start: number, end: number): boolean {
  if (end - start > PLAIN_BYTES_MAX) return false;
  for (let at = start; at < end; at++) {
    const byte = raw[at] ?? 0;
    if (byte < 0x20 || byte > 0x7e || byte === BACKSLASH) return false;
  }
  return true;
}

export function decodeString(raw: Buffer, start: number, end: number): string {
  try {
    return JSON.parse(raw.toString('utf8', start, end)) as string;
  } catch {
    throw new JsonSyntaxError('a string with an invalid escape', start);
  }
}
