import { decodeString, isTextAt, JsonSyntaxError, skipNested, stringEnd } from './json-bytes.js';

/** Where the wanted members of one object in a list stand: start and end (exclusive) of each value, -1 when absent. */
export interface ItemScan {
  /** Position in the list. */
  readonly index: number;
  readonly start: number;
  readonly end: number;
  readonly spans: readonly number[];
}

/** Which list of objects to look into, and for which members of them. */
export interface WantedItems {
  /** Name of the top-level member that holds the list; it must be among the wanted names. */
  readonly list: string;
  readonly members: readonly string[];
  /** Whether an object of the list is worth keeping. */
  isKept(spans: readonly number[]): boolean;
}

/** Where the wanted members of a JSON object stand in its bytes. */
export interface ObjectScan {
  /** Offset of the object's `{`. */
  readonly open: number;
  /** The objects of the wanted list that were kept, in order. */
  readonly items: readonly ItemScan[];
  /** The last element of the wanted list, kept or not; null when it is no object. */
  readonly lastItem: ItemScan | null;
  /** Start and end (exclusive) of every element of the wanted list, whatever it is, in turn. */
  readonly elements: readonly number[];
  /** Start and end (exclusive) of the value of wanted name `i` at `[2 * i]` and `[2 * i + 1]`; -1 when absent. */
  readonly spans: readonly number[];
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const DEPTH_MAX = 128;
/** Legal bodies have some thousands of values; millions of tiny ones would hold up everybody who parses them. */
const VALUES_MAX = 200_000;
/** The list's brackets and its objects' braces, seen from the top-level object. */
const LIST_DEPTH = 2;
const ITEM_DEPTH = 3;

/** `prototype` and `__proto__` have nine letters; each letter of `constructor` may be written with six. */
const SHORTEST_POISON = 9;
const LONGEST_POISON = 66;
const POISONS = ['__proto__', 'prototype', 'constructor'] as const;

const VALUE = 0;
const KEY_OR_END = 1;
const KEY = 2;
const AFTER_VALUE = 3;
const VALUE_OR_END = 4;

/**
 * Finds top-level members of a JSON object in its raw bytes, without decoding the rest, and checks that the whole is
 * well-formed (structure, numbers, literals; what stands inside strings is left to whoever decodes them). A wanted member
 * that stands twice is refused: parsers disagree on which one counts, and a permission must not rest on that. Refused as well:
 * more than 128 levels, more than 200 000 values, and keys that poison prototypes (`__proto__`, `constructor.prototype`).
 *
 * @throws JsonSyntaxError
 */
export function scanObject(raw: Buffer, wanted: readonly string[], items: WantedItems | null = null): ObjectScan {
  return new Scanner(raw, wanted, items, true).scan();
}

/**
 * The same for bytes of an upstream, at a third of the time: what is nested is skipped by its brackets and strings only.
 *
 * @throws JsonSyntaxError
 */
export function scanTrustedObject(raw: Buffer, wanted: readonly string[]): ObjectScan {
  return new Scanner(raw, wanted, null, false).scan();
}

class Scanner {
  private readonly spans: number[] = [];
  private readonly isObject: boolean[] = [];
  private readonly isConstructor: boolean[] = [];
  private readonly items: ItemScan[] = [];
  private readonly elements: number[] = [];
  private readonly listField: number;
  private depth = 0;
  private values = 0;
  private field = -1;
  private isConstructorKey = false;
  /** Of the newest element of the list, and of the newest that is an object. */
  private elementIndex = -1;
  private itemIndex = -1;
  private itemStart = 0;
  private itemEnd = 0;
  private itemSpans: number[] = [];
  /** Which wanted member of an item is being read; -1: none. */
  private member = -1;

  constructor(
    private readonly raw: Buffer,
    private readonly wanted: readonly string[],
    private readonly wantedItems: WantedItems | null,
    private readonly isStrict: boolean,
  ) {
    for (let i = 0; i < wanted.length; i++) this.spans.push(-1, -1);
    this.listField = wantedItems ? wanted.indexOf(wantedItems.list) : -2;
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
          this.countValue(at);
          const isElement = this.depth === LIST_DEPTH && this.isInList;
          if (isElement) this.beginElement(at);
          at = this.skipScalar(at);
          if (isElement) this.elements.push(at);
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
      if (expected === VALUE) {
        if (this.depth === 1 && this.field >= 0) this.noteStart(at);
        else if (this.depth === ITEM_DEPTH && this.member >= 0) this.itemSpans[this.member * 2] = at;
      }
    } while (this.depth > 0);
    if (at < raw.length) throw new JsonSyntaxError('text after the end of the JSON object', at);
    const { spans, items, elements } = this;
    return { open, spans, items, lastItem: this.lastItem(), elements };
  }

  private enter(isObject: boolean, at: number): void {
    if (++this.depth > DEPTH_MAX) throw new JsonSyntaxError(`JSON nested deeper than ${DEPTH_MAX} levels`, at);
    this.countValue(at);
    this.isObject[this.depth] = isObject;
    this.isConstructor[this.depth] = this.isConstructorKey;
    this.isConstructorKey = false;
    if (this.depth !== ITEM_DEPTH || !this.isInList) return;
    this.beginElement(at);
    if (isObject) {
      this.itemIndex = this.elementIndex;
      this.itemStart = at;
      this.member = -1;
      this.itemSpans = [];
      for (const _ of this.wantedItems?.members ?? []) this.itemSpans.push(-1, -1);
    }
  }

  private leave(at: number): number {
    if (this.depth === ITEM_DEPTH && this.isInList) {
      this.elements.push(at + 1);
      if (this.isInItem) this.endItem(at + 1);
    }
    this.depth--;
    this.noteEnd(at + 1);
    return at + 1;
  }

  private get isInList(): boolean {
    return this.field === this.listField && this.isObject[LIST_DEPTH] === false;
  }

  private get isInItem(): boolean {
    return this.isObject[ITEM_DEPTH] === true && this.isObject[LIST_DEPTH] === false;
  }

  private beginElement(at: number): void {
    this.elementIndex++;
    this.elements.push(at);
  }

  private endItem(end: number): void {
    const { itemIndex: index, itemStart: start, itemSpans: spans } = this;
    this.itemEnd = end;
    if (this.wantedItems?.isKept(spans)) this.items.push({ index, start, end, spans });
  }

  private lastItem(): ItemScan | null {
    const { itemIndex: index, itemStart: start, itemEnd: end, itemSpans: spans } = this;
    return index === -1 || index !== this.elementIndex ? null : { index, start, end, spans };
  }

  private countValue(at: number): void {
    if (++this.values > VALUES_MAX) throw new JsonSyntaxError(`JSON of more than ${VALUES_MAX} values`, at);
  }

  private noteStart(at: number): void {
    if (this.spans[this.field * 2] === -1) this.spans[this.field * 2] = at;
  }

  private noteEnd(at: number): void {
    if (this.depth === ITEM_DEPTH && this.member >= 0) {
      this.itemSpans[this.member * 2 + 1] = at;
      this.member = -1;
    }
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
    else if (this.depth === ITEM_DEPTH && this.field === this.listField && this.isInItem) this.noteMember(at, end);
    if (this.isStrict) this.refusePoison(at, end);
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

  private noteMember(start: number, end: number): void {
    this.member = this.fieldOf(start, end, this.wantedItems?.members ?? []);
    if (this.member >= 0 && this.itemSpans[this.member * 2] !== -1) {
      throw new JsonSyntaxError('a member of an item stands twice, the second time', start);
    }
  }

  /** The key, when it is one of the three words or written with escapes. */
  private poisonAt(start: number, end: number): string | null {
    const { raw } = this;
    for (let at = start + 1; at < end - 1; at++) if (raw[at] === BACKSLASH) return decodeString(raw, start, end);
    for (const word of POISONS) if (isTextAt(raw, start + 1, end - 1, word)) return word;
    return null;
  }

  /** A parser further on may let such keys change what all objects inherit. */
  private refusePoison(start: number, end: number): void {
    const length = end - start - 2;
    if (length < SHORTEST_POISON || length > LONGEST_POISON) return;
    const key = this.poisonAt(start, end);
    if (key === '__proto__' || (key === 'prototype' && this.isConstructor[this.depth])) {
      throw new JsonSyntaxError(`the key '${key}', which is not allowed,`, start);
    }
    this.isConstructorKey = key === 'constructor';
  }

  private fieldOf(start: number, end: number, wanted = this.wanted): number {
    const { raw } = this;
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
