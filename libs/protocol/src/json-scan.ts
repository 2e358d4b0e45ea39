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

/** Where the wanted members of a JSON object stand in its bytes. */
export interface ObjectScan {
  /** Offset of the object's `{`. */
  readonly open: number;
  /** Start and end (exclusive) of the value of wanted name `i` at `[2 * i]` and `[2 * i + 1]`; -1 when absent. */
  readonly spans: readonly number[];
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const DEPTH_MAX = 128;
/** How many bytes of a string are looked at one by one before the native search takes over: most strings are short. */
const NEAR_BYTES = 32;
/** Longer strings are left to the parser. */
const PLAIN_BYTES_MAX = 128;

const VALUE = 0;
const KEY_OR_END = 1;
const KEY = 2;
const AFTER_VALUE = 3;
const VALUE_OR_END = 4;

/**
 * Finds top-level members of a JSON object in its raw bytes, without decoding the rest, and checks that the whole is
 * well-formed (structure, numbers, literals; what stands inside strings is left to whoever decodes them). A wanted member
 * that stands twice is refused: parsers disagree on which one counts, and a permission must not rest on that.
 *
 * @throws JsonSyntaxError
 */
export function scanObject(raw: Buffer, wanted: readonly string[]): ObjectScan {
  return new Scanner(raw, wanted, true).scan();
}

/**
 * The same for bytes of an upstream, at a third of the time: what is nested is skipped by its brackets and strings only.
 *
 * @throws JsonSyntaxError
 */
export function scanTrustedObject(raw: Buffer, wanted: readonly string[]): ObjectScan {
  return new Scanner(raw, wanted, false).scan();
}

class Scanner {
  private readonly spans: number[] = [];
  private readonly isObject: boolean[] = [];
  private depth = 0;
  private field = -1;

  constructor(
    private readonly raw: Buffer,
    private readonly wanted: readonly string[],
    private readonly isStrict: boolean,
  ) {
    for (let i = 0; i < wanted.length; i++) this.spans.push(-1, -1);
  }

  scan(): ObjectScan {
    const { raw } = this;
    const open = this.skipSpace(0);
    if (raw[open] !== 0x7b) throw new JsonSyntaxError('a JSON object was expected', open);
    let at = open;
    let expected = VALUE;
    do {
      if (expected === VALUE || expected === VALUE_OR_END) {
        const byte = raw[at];
        if ((byte === 0x7b || byte === 0x5b) && this.depth > 0 && !this.isStrict) {
          at = skipNested(raw, at);
          expected = AFTER_VALUE;
          this.noteEnd(at);
        } else if (byte === 0x7b || byte === 0x5b) {
          this.enter(byte === 0x7b, at);
          expected = byte === 0x7b ? KEY_OR_END : VALUE_OR_END;
          at++;
        } else if (byte === 0x5d && expected === VALUE_OR_END) {
          at = this.leave(at);
          expected = AFTER_VALUE;
        } else {
          at = this.skipScalar(at);
          expected = AFTER_VALUE;
          this.noteEnd(at);
        }
      } else if (expected === AFTER_VALUE) {
        const inObject = this.isObject[this.depth] === true;
        if (raw[at] === 0x2c) {
          expected = inObject ? KEY : VALUE;
          at++;
        } else if (raw[at] === (inObject ? 0x7d : 0x5d)) {
          at = this.leave(at);
        } else throw this.unexpected(at);
      } else if (raw[at] === 0x7d && expected === KEY_OR_END) {
        at = this.leave(at);
        expected = AFTER_VALUE;
      } else {
        at = this.takeKey(at);
        expected = VALUE;
      }
      at = this.skipSpace(at);
      if (this.field >= 0 && expected === VALUE && this.depth === 1) this.noteStart(at);
    } while (this.depth > 0);
    if (at < raw.length) throw new JsonSyntaxError('text after the end of the JSON object', at);
    return { open, spans: this.spans };
  }

  private enter(isObject: boolean, at: number): void {
    if (++this.depth > DEPTH_MAX) throw new JsonSyntaxError(`JSON nested deeper than ${DEPTH_MAX} levels`, at);
    this.isObject[this.depth] = isObject;
  }

  private leave(at: number): number {
    this.depth--;
    this.noteEnd(at + 1);
    return at + 1;
  }

  private noteStart(at: number): void {
    if (this.spans[this.field * 2] === -1) this.spans[this.field * 2] = at;
  }

  private noteEnd(at: number): void {
    if (this.depth !== 1 || this.field < 0) return;
    this.spans[this.field * 2 + 1] = at;
    this.field = -1;
  }

  /** Reads a key and its colon; a top-level key is compared with the wanted names. */
  private takeKey(at: number): number {
    const { raw } = this;
    if (raw[at] !== QUOTE) throw this.unexpected(at);
    const end = stringEnd(this.raw, at);
    if (this.depth === 1) this.noteKey(at, end);
    const colon = this.skipSpace(end);
    if (raw[colon] !== 0x3a) throw this.unexpected(colon);
    return colon + 1;
  }

  private noteKey(start: number, end: number): void {
    this.field = this.fieldOf(start, end);
    if (this.field >= 0 && this.spans[this.field * 2] !== -1) {
      throw new JsonSyntaxError(`the member '${this.wanted[this.field] ?? ''}' stands twice, the second time`, start);
    }
  }

  private fieldOf(start: number, end: number): number {
    const { raw, wanted } = this;
    // "mod\u0065l" is "model" to whoever parses the body after us.
    for (let at = start + 1; at < end - 1; at++) {
      if (raw[at] === BACKSLASH) return wanted.indexOf(decodeString(raw, start, end));
    }
    for (let field = 0; field < wanted.length; field++) {
      if (isTextAt(raw, start + 1, end - 1, wanted[field] ?? '')) return field;
    }
    return -1;
  }

  /** Skips a string, number or literal and returns the offset behind it. */
  private skipScalar(at: number): number {
    switch (this.raw[at]) {
      case QUOTE:
        return stringEnd(this.raw, at);
      case 0x74:
        return this.skipLiteral(at, 'true');
      case 0x66:
        return this.skipLiteral(at, 'false');
      case 0x6e:
        return this.skipLiteral(at, 'null');
      default:
        return this.skipNumber(at);
    }
  }

  private skipLiteral(at: number, literal: string): number {
    if (!isTextAt(this.raw, at, at + literal.length, literal)) throw this.unexpected(at);
    return at + literal.length;
  }

  private skipNumber(start: number): number {
    const { raw } = this;
    let at = start;
    if (raw[at] === 0x2d) at++;
    if (raw[at] === 0x30) at++;
    else at = this.skipDigits(at);
    if (raw[at] === 0x2e) at = this.skipDigits(at + 1);
    if (raw[at] === 0x65 || raw[at] === 0x45) {
      at++;
      if (raw[at] === 0x2b || raw[at] === 0x2d) at++;
      at = this.skipDigits(at);
    }
    return at;
  }

  private skipDigits(start: number): number {
    let at = start;
    while (isDigit(this.raw[at])) at++;
    if (at === start) throw this.unexpected(at);
    return at;
  }

  private skipSpace(start: number): number {
    let at = start;
    for (;;) {
      const byte = this.raw[at];
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return at;
      at++;
    }
  }

  private unexpected(at: number): JsonSyntaxError {
    return at >= this.raw.length
      ? new JsonSyntaxError('the JSON ends too early,', at)
      : new JsonSyntaxError('an unexpected character', at);
  }
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

/** The offset behind the string that starts here. */
function stringEnd(raw: Buffer, start: number): number {
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
function skipNested(raw: Buffer, start: number): number {
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
function isTextAt(raw: Buffer, start: number, end: number, text: string): boolean {
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

function decodeString(raw: Buffer, start: number, end: number): string {
  try {
    return JSON.parse(raw.toString('utf8', start, end)) as string;
  } catch {
    throw new JsonSyntaxError('a string with an invalid escape', start);
  }
}
