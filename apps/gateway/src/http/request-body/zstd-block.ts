import {
  backwardBits,
  bitsAt,
  CorruptBody,
  decodeHuffman,
  type FseTable,
  fseTable,
  type HuffmanTable,
  readFseTable,
  readHuffmanTable,
  singleSymbolTable,
} from './zstd-entropy.js';
import type { OutputWindow } from './output-window.js';

export const BLOCK_BYTES_MAX = 128 * 1024;

/** What is read about one of the three parts of a sequence: how many literals, how far back, how long. */
interface Part {
  readonly preset: FseTable;
  readonly stateBitsMax: number;
  readonly symbolMax: number;
}

const LITERAL_LENGTHS: Part = {
  preset: fseTable(
    [4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1],
    6,
  ),
  stateBitsMax: 9,
  symbolMax: 35,
};
const OFFSETS: Part = {
  preset: fseTable([1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1], 5),
  stateBitsMax: 8,
  symbolMax: 31,
};
const MATCH_LENGTHS: Part = {
  preset: fseTable(
    [
      1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
      1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
    ],
    6,
  ),
  stateBitsMax: 9,
  symbolMax: 52,
};

const LITERAL_EXTRA_BITS = Uint8Array.from(
  [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0].concat([
    1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
  ]),
);
const MATCH_EXTRA_BITS = Uint8Array.from(
  Array.from({ length: 32 }, () => 0).concat([1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]),
);
const LITERAL_BASES = basesOf(LITERAL_EXTRA_BITS, 0);
const MATCH_BASES = basesOf(MATCH_EXTRA_BITS, 3);

/** With windows of 8 MiB no offset needs more; it also keeps every read below 32 bits. */
const OFFSET_CODE_MAX = 24;

function basesOf(extraBits: Uint8Array, first: number): Uint32Array {
  let base = first;
  return Uint32Array.from(extraBits, (bits) => {
    const own = base;
    base += 1 << bits;
    return own;
  });
}

/** Decodes the compressed blocks of one frame (RFC 8878 §3.1.1.3): tables and offsets are handed from block to block. */
export class ZstdBlocks {
  private huffman: HuffmanTable | null = null;
  private literalLengths: FseTable | null = null;
  private offsets: FseTable | null = null;
  private matchLengths: FseTable | null = null;
  private recent0 = 1;
  private recent1 = 4;
  private recent2 = 8;
  private scratch: Uint8Array | null = null;
  /** Where the literals of the block at hand are. */
  private literals: Uint8Array = new Uint8Array(0);

  constructor(
    private readonly window: OutputWindow,
    private readonly blockBytesMax: number,
  ) {}

  /**
   * Appends what the block stands for, never more than `blockBytesMax`.
   *
   * @throws CorruptBody
   */
  decode(data: Uint8Array): void {
    const at = this.readLiterals(data);
    const first = byteAt(data, at);
    if (first === 0) {
      if (at + 1 !== data.length) throw new CorruptBody('a block that is longer than its content');
      this.window.reserve(this.literals.length);
      this.window.append(this.literals, 0, this.literals.length);
      return;
    }
    let count = first;
    let next = at + 1;
    if (first === 255) {
      count = byteAt(data, at + 1) + (byteAt(data, at + 2) << 8) + 0x7f00;
      next = at + 3;
    } else if (first > 127) {
      count = ((first - 128) << 8) + byteAt(data, at + 1);
      next = at + 2;
    }
    const modes = byteAt(data, next++);
    if ((modes & 3) !== 0) throw new CorruptBody('a block of an unknown form');
    let read = this.readTable(data, next, modes >> 6, LITERAL_LENGTHS, this.literalLengths);
    this.literalLengths = read.table;
    read = this.readTable(data, read.end, (modes >> 4) & 3, OFFSETS, this.offsets);
    this.offsets = read.table;
    read = this.readTable(data, read.end, (modes >> 2) & 3, MATCH_LENGTHS, this.matchLengths);
    this.matchLengths = read.table;
    this.execute(data, read.end, count, [this.literalLengths, this.offsets, this.matchLengths]);
  }

  /** @returns where the sequences begin */
  private readLiterals(data: Uint8Array): number {
    const first = byteAt(data, 0);
    const type = first & 3;
    const form = (first >> 2) & 3;
    if (type < 2) {
      const headBytes = form === 1 ? 2 : form === 3 ? 3 : 1;
      byteAt(data, headBytes - 1);
      const size = this.literalBytes(headBytes === 1 ? first >> 3 : bitsAt(data, 0, 4, headBytes === 2 ? 12 : 20));
      if (type === 1) {
        this.literals = this.scratchOf(size).fill(byteAt(data, headBytes));
        return headBytes + 1;
      }
      if (headBytes + size > data.length) throw new CorruptBody('literals that are cut');
      this.literals = data.subarray(headBytes, headBytes + size);
      return headBytes + size;
    }
    const sizeBits = form < 2 ? 10 : form === 2 ? 14 : 18;
    const headBytes = (4 + 2 * sizeBits) >> 3;
    byteAt(data, headBytes - 1);
    const size = this.literalBytes(bitsAt(data, 0, 4, sizeBits));
    const start = headBytes;
    const end = start + bitsAt(data, 0, 4 + sizeBits, sizeBits);
    if (end > data.length) throw new CorruptBody('literals that are cut');
    this.literals = this.scratchOf(size);
    let from = start;
    if (type === 2) ({ table: this.huffman, end: from } = readHuffmanTable(data, start, end));
    if (!this.huffman) throw new CorruptBody('literals without their prefix code');
    if (form === 0) decodeHuffman(data, { start: from, end }, this.huffman, this.literals, { from: 0, to: size });
    else this.decodeFourStreams(data, from, end, this.huffman);
    return end;
  }

  private decodeFourStreams(data: Uint8Array, start: number, end: number, huffman: HuffmanTable): void {
    const { literals } = this;
    const quarter = (literals.length + 3) >> 2;
    let from = start + 6;
    for (let stream = 0; stream < 4; stream++) {
      const size = byteAt(data, start + stream * 2) + (byteAt(data, start + stream * 2 + 1) << 8);
      const to = stream === 3 ? end : from + size;
      if (to > end) throw new CorruptBody('literals that are cut');
      const target = {
        from: Math.min(stream * quarter, literals.length),
        to: stream === 3 ? literals.length : Math.min((stream + 1) * quarter, literals.length),
      };
      decodeHuffman(data, { start: from, end: to }, huffman, literals, target);
      from = to;
    }
  }

  private literalBytes(size: number): number {
    if (size > this.blockBytesMax) throw new CorruptBody('more literals than a block may hold');
    return size;
  }

  private scratchOf(size: number): Uint8Array {
    this.scratch ??= new Uint8Array(this.blockBytesMax);
    return this.scratch.subarray(0, size);
  }

  private readTable(
    data: Uint8Array,
    start: number,
    mode: number,
    { preset, stateBitsMax, symbolMax }: Part,
    previous: FseTable | null,
  ): { table: FseTable; end: number } {
    switch (mode) {
      case 0:
        return { table: preset, end: start };
      case 1: {
        const symbol = byteAt(data, start);
        if (symbol > symbolMax) throw new CorruptBody('a sequence of an unknown form');
        return { table: singleSymbolTable(symbol), end: start + 1 };
      }
      case 2:
        return readFseTable(data, { start, end: data.length, stateBitsMax, symbolMax });
      default:
        if (!previous) throw new CorruptBody('a table that refers to none');
        return { table: previous, end: start };
    }
  }

  private execute(
    data: Uint8Array,
    start: number,
    count: number,
    [literalTable, offsetTable, matchTable]: [FseTable, FseTable, FseTable],
  ): void {
    const { literals, window, blockBytesMax } = this;
    let bit = backwardBits(data, start, data.length);
    bit -= literalTable.stateBits;
    let literalState = bitsAt(data, start, bit, literalTable.stateBits);
    bit -= offsetTable.stateBits;
    let offsetState = bitsAt(data, start, bit, offsetTable.stateBits);
    bit -= matchTable.stateBits;
    let matchState = bitsAt(data, start, bit, matchTable.stateBits);
    let literalsAt = 0;
    let room = blockBytesMax;
    window.reserve(blockBytesMax);
    for (let left = count; left > 0; left--) {
      const offsetCode = offsetTable.symbols[offsetState] as number;
      const matchCode = matchTable.symbols[matchState] as number;
      const literalCode = literalTable.symbols[literalState] as number;
      if (offsetCode > OFFSET_CODE_MAX) throw new CorruptBody('a match beyond the window');
      bit -= offsetCode;
      const offsetValue = (1 << offsetCode) + bitsAt(data, start, bit, offsetCode);
      const matchBits = MATCH_EXTRA_BITS[matchCode] as number;
      bit -= matchBits;
      const matchBytes = (MATCH_BASES[matchCode] as number) + bitsAt(data, start, bit, matchBits);
      const literalBits = LITERAL_EXTRA_BITS[literalCode] as number;
      bit -= literalBits;
      const literalBytes = (LITERAL_BASES[literalCode] as number) + bitsAt(data, start, bit, literalBits);
      if (left > 1) {
        bit -= literalTable.bitCounts[literalState] as number;
        literalState =
          (literalTable.bases[literalState] as number) +
          bitsAt(data, start, bit, literalTable.bitCounts[literalState] as number);
        bit -= matchTable.bitCounts[matchState] as number;
        matchState =
          (matchTable.bases[matchState] as number) +
          bitsAt(data, start, bit, matchTable.bitCounts[matchState] as number);
        bit -= offsetTable.bitCounts[offsetState] as number;
        offsetState =
          (offsetTable.bases[offsetState] as number) +
          bitsAt(data, start, bit, offsetTable.bitCounts[offsetState] as number);
      }
      room -= literalBytes + matchBytes;
      // Checked at every step: three bytes can ask for 128 KiB, and there may be 98 000 such in one block.
      if (bit < 0 || room < 0 || literalsAt + literalBytes > literals.length) {
        throw new CorruptBody('sequences that do not add up');
      }
      window.append(literals, literalsAt, literalsAt + literalBytes);
      literalsAt += literalBytes;
      window.repeat(this.offsetOf(offsetValue, literalBytes === 0), matchBytes);
    }
    if (bit !== 0 || literals.length - literalsAt > room) throw new CorruptBody('sequences that do not add up');
    window.append(literals, literalsAt, literals.length);
  }

  /** The last three offsets have short names (RFC 8878 §3.1.1.5), which shift by one behind no literals. */
  private offsetOf(value: number, isBehindMatch: boolean): number {
    const name = value > 3 ? 3 : value - 1 + (isBehindMatch ? 1 : 0);
    if (name === 0) return this.recent0;
    let offset: number;
    if (value > 3) offset = value - 3;
    else offset = name === 1 ? this.recent1 : name === 2 ? this.recent2 : this.recent0 - 1;
    if (name > 1) this.recent2 = this.recent1;
    this.recent1 = this.recent0;
    this.recent0 = offset;
    return offset;
  }
}

function byteAt(data: Uint8Array, at: number): number {
  const byte = data[at];
  if (byte === undefined) throw new CorruptBody('a block that is cut');
  return byte;
}
