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
  readonly spans: Int32Array;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const DEPTH_MAX = 128;
/** How many bytes of a string are looked at one by one before the native search takes over: most strings are short. */
const NEAR_BYTES = 32;

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
  return new Scanner(raw, wanted).scan();
}

class Scanner {
  private readonly spans: Int32Array;
  private readonly isObject = new Uint8Array(DEPTH_MAX + 1);
  private depth = 0;
  private field = -1;

  constructor(
    private readonly raw: Buffer,
    private readonly wanted: readonly string[],
  ) {
    this.spans = new Int32Array(wanted.length * 2).fill(-1);
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
        if (byte === 0x7b || byte === 0x5b) {
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
        const inObject = this.isObject[this.depth] === 1;
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
    this.isObject[this.depth] = isObject ? 1 : 0;
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
    const end = this.skipString(at);
    if (this.depth === 1) this.noteKey(at, end);
    const colon = this.skipSpace(end);
    if (raw[colon] !== 0x3a) throw this.unexpected(colon);
    return colon + 1;
  }

  private noteKey(start: number, end: number): void {
    let key = this.raw.toString('latin1', start + 1, end - 1);
    // "mod\u0065l" is "model" to whoever parses the body after us.
    if (key.includes('\\')) key = decodeString(this.raw, start, end);
    this.field = this.wanted.indexOf(key);
    if (this.field >= 0 && this.spans[this.field * 2] !== -1) {
      throw new JsonSyntaxError(`the member '${key}' stands twice, the second time`, start);
    }
  }

  /** Skips a string, number or literal and returns the offset behind it. */
  private skipScalar(at: number): number {
    switch (this.raw[at]) {
      case QUOTE:
        return this.skipString(at);
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

  private skipString(start: number): number {
    const { raw } = this;
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

  private skipLiteral(at: number, literal: string): number {
    if (this.raw.toString('latin1', at, at + literal.length) !== literal) throw this.unexpected(at);
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

function decodeString(raw: Buffer, start: number, end: number): string {
  try {
    return JSON.parse(raw.toString('utf8', start, end)) as string;
  } catch {
    throw new JsonSyntaxError('a string with an invalid escape', start);
  }
}
