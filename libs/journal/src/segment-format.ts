import { crc32 } from 'node:zlib';

/** What a record of a segment tells. */
export const RecordKind = {
  /** The first record of each segment: what the cells of the others are. */
  header: 0,
  /** A request is about to be sent to an upstream. */
  opened: 1,
  /** A request's row as it stands at the end of its answer; the client has not seen that end yet. */
  settled: 2,
  /** A request's row. */
  closed: 3,
} as const;

/** Where a whole record stands among the bytes of a segment. */
export interface RecordPlace {
  readonly kind: number;
  readonly textStart: number;
  readonly end: number;
}

/** A record: its length (of kind and text) and their CRC-32, four bytes each, little endian; the kind, one byte; UTF-8 text. */
const PREFIX_BYTES = 8;
const KIND_BYTES = 1;
/** A length beyond it is none. */
const RECORD_BYTES_MAX = 16 * 1024 * 1024;
const UTF8_BYTES_PER_UNIT = 3;
const BUFFER_BYTES = 64 * 1024;

/** Records on their way into a segment. */
export class RecordBuffer {
  private bytes = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  /** Bytes that it holds. */
  length = 0;

  add(kind: number, text: string): void {
    const start = this.length;
    const body = start + PREFIX_BYTES;
    this.makeRoom(body + KIND_BYTES + text.length * UTF8_BYTES_PER_UNIT);
    const { bytes } = this;
    bytes[body] = kind;
    const end = body + KIND_BYTES + bytes.write(text, body + KIND_BYTES);
    bytes.writeUInt32LE(end - body, start);
    bytes.writeUInt32LE(crc32(bytes.subarray(body, end)), start + 4);
    this.length = end;
  }

  /** What it holds; valid until the next call. */
  view(): Buffer {
    return this.bytes.subarray(0, this.length);
  }

  clear(): void {
    this.length = 0;
    if (this.bytes.length > 16 * BUFFER_BYTES) this.bytes = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  }

  private makeRoom(bytesMin: number): void {
    if (bytesMin <= this.bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(bytesMin, this.bytes.length * 2));
    this.bytes.copy(grown, 0, 0, this.length);
    this.bytes = grown;
  }
}

/** Bytes that the record at an offset has; null when its length is not there yet; NaN when it can be none. */
export function recordBytes(bytes: Buffer, offset: number): number | null {
  if (bytes.length - offset < PREFIX_BYTES) return null;
  const length = bytes.readUInt32LE(offset);
  return length >= KIND_BYTES && length <= RECORD_BYTES_MAX ? PREFIX_BYTES + length : NaN;
}

/** The record at an offset, where all of its bytes are; null when they are not those that were written. */
export function recordAt(bytes: Buffer, offset: number): RecordPlace | null {
  const body = offset + PREFIX_BYTES;
  const end = body + bytes.readUInt32LE(offset);
  if (crc32(bytes.subarray(body, end)) !== bytes.readUInt32LE(offset + 4)) return null;
  return { kind: bytes[body] as number, textStart: body + KIND_BYTES, end };
}
