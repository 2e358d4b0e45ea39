import { OutputWindow } from './output-window.js';
import { BLOCK_BYTES_MAX, ZstdBlocks } from './zstd-block.js';
import { CorruptBody } from './zstd-entropy.js';

/** What an HTTP body may ask for (RFC 9659 §3). */
export const WINDOW_BYTES_MAX = 8 * 1024 * 1024;
const MAGIC = 0xfd2fb528;
const CHECKSUM_BYTES = 4;
const NOTHING = Buffer.alloc(0);

type Stage = 'start' | 'header' | 'block-header' | 'block' | 'checksum' | 'done';

/**
 * Decodes one zstd frame (RFC 8878) from pieces of any size. It trusts nothing: the work of a step is bounded by a block of
 * 128 KiB, and memory by the window and by what was really decoded. The frame's checksum, if it has one, is not computed.
 */
export class ZstdFrame {
  private stage: Stage = 'start';
  /** How many bytes the next step needs. */
  private wanted = 5;
  private held: Uint8Array = new Uint8Array(64);
  private heldBytes = 0;
  private descriptor = 0;
  private hasChecksum = false;
  private contentBytes: number | null = null;
  private window = new OutputWindow(0);
  private blocks = new ZstdBlocks(this.window, 0);
  private blockBytesMax = 0;
  private blockType = 0;
  private blockBytes = 0;
  private isLastBlock = false;

  get isDone(): boolean {
    return this.stage === 'done';
  }

  /**
   * Takes bytes and gives what they decode to, step by step; between two steps, of which some give nothing, the caller may
   * stop or pause.
   *
   * @throws CorruptBody
   */
  *decode(chunk: Uint8Array): Generator<Buffer> {
    let at = 0;
    while (at < chunk.length) {
      if (this.isDone) throw new CorruptBody('bytes after its end');
      const missing = Math.min(this.wanted - this.heldBytes, chunk.length - at);
      let piece = chunk.subarray(at, at + missing);
      at += missing;
      if (missing < this.wanted) {
        this.hold(piece);
        if (this.heldBytes < this.wanted) return;
        piece = this.held.subarray(0, this.heldBytes);
        this.heldBytes = 0;
      }
      const before = this.window.total;
      this.step(piece);
      // A block without content has nothing to wait for.
      if (this.wanted === 0) this.step(piece.subarray(0, 0));
      const produced = this.window.total - before;
      yield produced > 0 ? this.window.last(produced) : NOTHING;
    }
  }

  private hold(piece: Uint8Array): void {
    if (this.held.length < this.wanted) {
      const larger = new Uint8Array(this.wanted);
      larger.set(this.held.subarray(0, this.heldBytes));
      this.held = larger;
    }
    this.held.set(piece, this.heldBytes);
    this.heldBytes += piece.length;
  }

  private step(piece: Uint8Array): void {
    switch (this.stage) {
      case 'start':
        return this.readStart(piece);
      case 'header':
        return this.readHeader(piece);
      case 'block-header':
        return this.readBlockHeader(piece);
      case 'block':
        return this.readBlock(piece);
      default:
        return this.expect('done', 1);
    }
  }

  private expect(stage: Stage, bytes: number): void {
    this.stage = stage;
    this.wanted = bytes;
  }

  private readStart(piece: Uint8Array): void {
    if (littleEndian(piece, 0, 4) !== MAGIC) throw new CorruptBody('it does not begin like a zstd frame');
    const descriptor = piece[4] ?? 0;
    if (descriptor & 8) throw new CorruptBody('a frame of an unknown form');
    this.descriptor = descriptor;
    this.hasChecksum = (descriptor & 4) !== 0;
    this.expect('header', this.windowFieldBytes() + this.dictionaryFieldBytes() + this.sizeFieldBytes());
  }

  private windowFieldBytes(): number {
    return this.descriptor & 32 ? 0 : 1;
  }

  private dictionaryFieldBytes(): number {
    return [0, 1, 2, 4][this.descriptor & 3] ?? 0;
  }

  private sizeFieldBytes(): number {
    const code = this.descriptor >> 6;
    return code === 0 ? (this.descriptor & 32 ? 1 : 0) : 1 << code;
  }

  private readHeader(piece: Uint8Array): void {
    const dictionaryAt = this.windowFieldBytes();
    const sizeAt = dictionaryAt + this.dictionaryFieldBytes();
    if (littleEndian(piece, dictionaryAt, sizeAt) !== 0) throw new CorruptBody('it needs a dictionary');
    if (sizeAt < piece.length) {
      this.contentBytes = littleEndian(piece, sizeAt, piece.length) + (piece.length - sizeAt === 2 ? 256 : 0);
    }
    const exponent = (piece[0] ?? 0) >> 3;
    const windowBytes =
      dictionaryAt === 0 ? (this.contentBytes ?? 0) : 2 ** (10 + exponent) * (1 + ((piece[0] ?? 0) & 7) / 8);
    if (windowBytes > WINDOW_BYTES_MAX) throw new CorruptBody('its window is larger than 8 MiB');
    this.blockBytesMax = Math.min(windowBytes, BLOCK_BYTES_MAX);
    this.window = new OutputWindow(windowBytes);
    this.blocks = new ZstdBlocks(this.window, this.blockBytesMax);
    this.expect('block-header', 3);
  }

  private readBlockHeader(piece: Uint8Array): void {
    const header = littleEndian(piece, 0, 3);
    this.isLastBlock = (header & 1) !== 0;
    this.blockType = (header >> 1) & 3;
    this.blockBytes = header >> 3;
    if (this.blockType === 3 || this.blockBytes > this.blockBytesMax)
      throw new CorruptBody('a block of an unknown form');
    this.expect('block', this.blockType === 1 ? 1 : this.blockBytes);
  }

  private readBlock(piece: Uint8Array): void {
    if (this.blockType === 2) {
      this.blocks.decode(piece);
    } else {
      this.window.reserve(this.blockBytes);
      if (this.blockType === 1) this.window.fill(piece[0] ?? 0, this.blockBytes);
      else this.window.append(piece, 0, piece.length);
    }
    const { total } = this.window;
    if (this.contentBytes !== null && (total > this.contentBytes || (this.isLastBlock && total < this.contentBytes))) {
      throw new CorruptBody('its content is not as long as it says');
    }
    if (!this.isLastBlock) this.expect('block-header', 3);
    else if (this.hasChecksum) this.expect('checksum', CHECKSUM_BYTES);
    else this.expect('done', 1);
  }
}

/** A number of up to 8 bytes; beyond 2^53 it is only roughly right, and too large anyway. */
function littleEndian(data: Uint8Array, from: number, to: number): number {
  let value = 0;
  for (let at = to - 1; at >= from; at--) value = value * 256 + (data[at] ?? 0);
  return value;
}
