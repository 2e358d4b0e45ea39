import { CorruptBody } from './zstd-entropy.js';

const BYTES_FIRST = 256 * 1024;
/** From here on moving bytes in one go is faster than one by one. */
const MOVE_BYTES_MIN = 24;

/** The end of what has been decoded, as far back as matches may reach; memory grows with what is really decoded. */
export class OutputWindow {
  /** How many bytes have ever been appended. */
  total = 0;
  private bytes: Uint8Array = new Uint8Array(0);
  private end = 0;

  /** @param windowBytes how far back matches may reach */
  constructor(private readonly windowBytes: number) {}

  /** Makes room: to be called before each block, with the most that it may append. */
  reserve(bytes: number): void {
    if (this.end + bytes <= this.bytes.length) return;
    const kept = Math.min(this.end, this.windowBytes);
    const wanted = Math.max(BYTES_FIRST, 2 * kept + bytes);
    if (wanted <= this.bytes.length) {
      this.bytes.copyWithin(0, this.end - kept, this.end);
    } else {
      const larger = new Uint8Array(wanted);
      larger.set(this.bytes.subarray(this.end - kept, this.end));
      this.bytes = larger;
    }
    this.end = kept;
  }

  append(source: Uint8Array, from: number, to: number): void {
    const { bytes, end } = this;
    const count = to - from;
    if (count < MOVE_BYTES_MIN) for (let i = 0; i < count; i++) bytes[end + i] = source[from + i] as number;
    else bytes.set(source.subarray(from, to), end);
    this.end += count;
    this.total += count;
  }

  fill(byte: number, count: number): void {
    this.bytes.fill(byte, this.end, this.end + count);
    this.end += count;
    this.total += count;
  }

  /** Appends `count` bytes from `offset` bytes back, which may run into what is being appended. */
  repeat(offset: number, count: number): void {
    const { bytes, end } = this;
    const from = end - offset;
    if (offset < 1 || from < 0 || offset > this.windowBytes) throw new CorruptBody('a match beyond the window');
    if (count < MOVE_BYTES_MIN || offset < count) {
      for (let i = 0; i < count; i++) bytes[end + i] = bytes[from + i] as number;
    } else {
      bytes.copyWithin(end, from, from + count);
    }
    this.end += count;
    this.total += count;
  }

  /** A copy of the last bytes. */
  last(count: number): Buffer {
    return Buffer.from(this.bytes.subarray(this.end - count, this.end));
  }
}
