/** Thrown for bytes that are not what their encoding says. */
export class CorruptBody extends Error {}

/** A table of tANS states (RFC 8878 §4.1): what each state stands for, and how the next one is found. */
export interface FseTable {
  readonly stateBits: number;
  readonly symbols: Uint8Array;
  /** How many bits are read to get to the next state, and what they are added to. */
  readonly bitCounts: Uint8Array;
  readonly bases: Uint16Array;
}

/** A flat prefix-code table (RFC 8878 §4.2): looked up by the next `codeBits` bits. */
export interface HuffmanTable {
  readonly codeBits: number;
  readonly symbols: Uint8Array;
  readonly bitCounts: Uint8Array;
}

const HUFFMAN_CODE_BITS_MAX = 11;
const WEIGHT_STATE_BITS_MAX = 6;
const SYMBOLS_MAX = 256;

/** The position of the highest bit that is set, for numbers above zero. */
export function highBit(value: number): number {
  return 31 - Math.clz32(value);
}

/** How many bits of a backward stream in `[start, end)` lie below the mark that its last byte ends with. */
export function backwardBits(data: Uint8Array, start: number, end: number): number {
  const last = end > start ? (data[end - 1] ?? 0) : 0;
  if (last === 0) throw new CorruptBody('a bit stream without its end mark');
  return (end - start - 1) * 8 + highBit(last);
}

/** Up to 24 bits that begin at a bit offset from `start`. */
export function bitsAt(data: Uint8Array, start: number, bitOffset: number, count: number): number {
  const at = start + (bitOffset >> 3);
  const word =
    ((data[at] ?? 0) | ((data[at + 1] ?? 0) << 8) | ((data[at + 2] ?? 0) << 16) | ((data[at + 3] ?? 0) << 24)) >>>
    (bitOffset & 7);
  return word & ((1 << count) - 1);
}

/** The table of one symbol that costs no bits. */
export function singleSymbolTable(symbol: number): FseTable {
  return { stateBits: 0, symbols: Uint8Array.of(symbol), bitCounts: new Uint8Array(1), bases: new Uint16Array(1) };
}

/** Makes a table from how often each symbol comes; -1 stands for "less than once". */
export function fseTable(counts: ArrayLike<number>, stateBits: number): FseTable {
  const size = 1 << stateBits;
  const symbols = new Uint8Array(size);
  const bitCounts = new Uint8Array(size);
  const bases = new Uint16Array(size);
  const next = new Uint16Array(counts.length);
  let rareFrom = size;
  for (let symbol = 0; symbol < counts.length; symbol++) {
    const count = counts[symbol] ?? 0;
    if (count === -1) symbols[--rareFrom] = symbol;
    next[symbol] = Math.abs(count);
  }
  const step = (size >> 1) + (size >> 3) + 3;
  let at = 0;
  for (let symbol = 0; symbol < counts.length; symbol++) {
    for (let left = counts[symbol] ?? 0; left > 0; left--) {
      symbols[at] = symbol;
      do at = (at + step) & (size - 1);
      while (at >= rareFrom);
    }
  }
  if (at !== 0) throw new CorruptBody('a table that does not add up');
  for (let state = 0; state < size; state++) {
    const symbol = symbols[state] ?? 0;
    const order = next[symbol] ?? 0;
    next[symbol] = order + 1;
    const bitCount = stateBits - highBit(order);
    bitCounts[state] = bitCount;
    bases[state] = (order << bitCount) - size;
  }
  return { stateBits, symbols, bitCounts, bases };
}

/** Reads a table's description at `start`; also says where it ends. */
export function readFseTable(
  data: Uint8Array,
  { start, end, stateBitsMax, symbolMax }: { start: number; end: number; stateBitsMax: number; symbolMax: number },
): { table: FseTable; end: number } {
  let bit = 4;
  const read = (count: number) => {
    const value = bitsAt(data, start, bit, count);
    bit += count;
    return value;
  };
  const stateBits = bitsAt(data, start, 0, 4) + 5;
  if (stateBits > stateBitsMax) throw new CorruptBody('a table that is too large');
  const counts: number[] = [];
  let left = 1 << stateBits;
  while (left > 0 && counts.length <= symbolMax) {
    const width = highBit(left + 1) + 1;
    // Small values are one bit shorter.
    const short = (1 << (width - 1)) - 1;
    const shortUntil = (1 << width) - 2 - left;
    let value = read(width);
    if ((value & short) < shortUntil) {
      value &= short;
      bit--;
    } else if (value > short) {
      value -= shortUntil;
    }
    const count = value - 1;
    counts.push(count);
    left -= Math.abs(count);
    if (count !== 0) continue;
    let zeros: number;
    do {
      zeros = read(2);
      for (let i = 0; i < zeros; i++) counts.push(0);
    } while (zeros === 3 && counts.length <= symbolMax);
  }
  const tableEnd = start + ((bit + 7) >> 3);
  if (left !== 0 || counts.length > symbolMax + 1 || tableEnd > end) throw new CorruptBody('a table that is cut');
  return { table: fseTable(counts, stateBits), end: tableEnd };
}

/** Reads a prefix code's description at `start`; also says where it ends. */
export function readHuffmanTable(data: Uint8Array, start: number, end: number): { table: HuffmanTable; end: number } {
  const weights = new Uint8Array(SYMBOLS_MAX);
  const header = data[start] ?? 0;
  let count: number;
  let tableEnd: number;
  if (header >= 128) {
    count = header - 127;
    tableEnd = start + 1 + ((count + 1) >> 1);
    for (let i = 0; i < count; i++) weights[i] = ((data[start + 1 + (i >> 1)] ?? 0) >> (i & 1 ? 0 : 4)) & 15;
  } else {
    tableEnd = start + 1 + header;
    count = tableEnd <= end ? readWeights(data, start + 1, tableEnd, weights) : 0;
  }
  if (tableEnd > end) throw new CorruptBody('a prefix code that is cut');
  return { table: huffmanTable(weights, count), end: tableEnd };
}

/** Weights come by two states in turn; the stream ends where a state has too few bits left to go on. */
function readWeights(data: Uint8Array, start: number, end: number, weights: Uint8Array): number {
  const { table, end: from } = readFseTable(data, {
    start,
    end,
    stateBitsMax: WEIGHT_STATE_BITS_MAX,
    symbolMax: HUFFMAN_CODE_BITS_MAX,
  });
  const { stateBits, symbols, bitCounts, bases } = table;
  let bit = backwardBits(data, from, end);
  const read = (bitCount: number) => {
    bit -= bitCount;
    if (bit < 0) throw new CorruptBody('a prefix code that is cut');
    return bitsAt(data, from, bit, bitCount);
  };
  let state = read(stateBits);
  let other = read(stateBits);
  let count = 0;
  while (count < SYMBOLS_MAX - 2) {
    weights[count++] = symbols[state] ?? 0;
    const bitCount = bitCounts[state] ?? 0;
    if (bit < bitCount) {
      weights[count++] = symbols[other] ?? 0;
      return count;
    }
    const next = (bases[state] ?? 0) + read(bitCount);
    state = other;
    other = next;
  }
  throw new CorruptBody('a prefix code of too many symbols');
}

/** The last symbol's weight is what is missing to a power of two. */
function huffmanTable(weights: Uint8Array, count: number): HuffmanTable {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += (1 << (weights[i] ?? 0)) >> 1;
  const codeBits = sum === 0 ? 0 : highBit(sum) + 1;
  const rest = (1 << codeBits) - sum;
  if (codeBits === 0 || codeBits > HUFFMAN_CODE_BITS_MAX || (rest & (rest - 1)) !== 0) {
    throw new CorruptBody('a prefix code that does not add up');
  }
  weights[count] = highBit(rest) + 1;
  const symbols = new Uint8Array(1 << codeBits);
  const bitCounts = new Uint8Array(1 << codeBits);
  let at = 0;
  for (let weight = 1; weight <= codeBits; weight++) {
    for (let symbol = 0; symbol <= count; symbol++) {
      if (weights[symbol] !== weight) continue;
      const codes = 1 << (weight - 1);
      symbols.fill(symbol, at, at + codes);
      bitCounts.fill(codeBits + 1 - weight, at, at + codes);
      at += codes;
    }
  }
  return { codeBits, symbols, bitCounts };
}

/** Decodes one prefix-coded stream in `[start, end)` to `out` in `[from, to)`, both exactly. */
export function decodeHuffman(
  data: Uint8Array,
  { start, end }: { start: number; end: number },
  { symbols, bitCounts, codeBits }: HuffmanTable,
  out: Uint8Array,
  { from, to }: { from: number; to: number },
): void {
  const mask = (1 << codeBits) - 1;
  let bit = backwardBits(data, start, end);
  let at = from;
  for (; at < to && bit >= codeBits; at++) {
    const offset = bit - codeBits;
    const byte = start + (offset >> 3);
    const code =
      (((data[byte] as number) | ((data[byte + 1] ?? 0) << 8) | ((data[byte + 2] ?? 0) << 16)) >> (offset & 7)) & mask;
    out[at] = symbols[code] as number;
    bit -= bitCounts[code] as number;
  }
  for (; at < to && bit > 0; at++) {
    const code = (bitsAt(data, start, 0, bit) << (codeBits - bit)) & mask;
    out[at] = symbols[code] as number;
    bit -= bitCounts[code] as number;
  }
  if (at !== to || bit !== 0) throw new CorruptBody('literals that do not add up');
}
