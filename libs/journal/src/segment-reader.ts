import { closeSync, openSync, readSync } from 'node:fs';
import { recordAt, recordBytes, type RecordPlace } from './segment-format.js';

const CHUNK_BYTES = 256 * 1024;

/** Why a segment cannot be read on. `torn`: its last record is not whole, as a crash leaves it. */
export type SegmentFault = 'torn' | 'damaged';

/** Reads a segment from an offset on, record by record, a chunk of it in memory. */
export class SegmentReader {
  private readonly file: number;
  private chunk = Buffer.alloc(0);
  private chunkStart: number;
  private place: RecordPlace | null = null;
  fault: SegmentFault | null = null;

  constructor(
    path: string,
    /** Of the next record in the file. */
    public offset: number,
  ) {
    this.file = openSync(path, 'r');
    this.chunkStart = offset;
  }

  /**
   * Kind of the next record; null when there is none before `bytesEnd`, or `fault` tells why it cannot be read.
   *
   * @throws Error of the file system
   */
  next(bytesEnd: number): number | null {
    if (this.fault || this.offset >= bytesEnd) return null;
    const bytes = this.has(8, bytesEnd) ? recordBytes(this.chunk, this.offset - this.chunkStart) : null;
    if (bytes === null || Number.isNaN(bytes) || !this.has(bytes, bytesEnd)) {
      // A length that is wrong leads beyond the end, too: only a CRC tells damage from what was not finished.
      this.fault = 'torn';
      return null;
    }
    this.place = recordAt(this.chunk, this.offset - this.chunkStart);
    if (!this.place) {
      this.fault = 'damaged';
      return null;
    }
    this.offset += bytes;
    return this.place.kind;
  }

  /** The text of the record that `next` has found. */
  text(): string {
    const { chunk, place } = this;
    return place ? chunk.toString('utf8', place.textStart, place.end) : '';
  }

  close(): void {
    closeSync(this.file);
  }

  /** Sees to it that so many bytes from the offset on are in memory; false when there are not so many. */
  private has(bytes: number, bytesEnd: number): boolean {
    const { offset } = this;
    if (offset + bytes <= this.chunkStart + this.chunk.length) return true;
    if (offset + bytes > bytesEnd) return false;
    const chunk = Buffer.allocUnsafe(Math.min(Math.max(bytes, CHUNK_BYTES), bytesEnd - offset));
    let length = 0;
    while (length < chunk.length) {
      const read = readSync(this.file, chunk, length, chunk.length - length, offset + length);
      if (read === 0) break;
      length += read;
    }
    this.chunk = chunk.subarray(0, length);
    this.chunkStart = offset;
    return length >= bytes;
  }
}
