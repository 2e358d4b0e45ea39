import { PooledBuffer } from '@app/runtime';

/** A length that was only announced is believed up to here, and beyond it up to so many times of what has come. */
const BELIEVED_BYTES = 1024 * 1024;
const BELIEVED_TIMES = 8;
const NOTHING = Buffer.alloc(0);

/**
 * Bytes that come in pieces. Each piece is copied at once and let go: what is held for as long as a large body takes to come
 * grows old, and only a full collection of V8's heap frees it.
 */
export class GatheredBytes {
  length = 0;
  private bytes: Buffer = NOTHING;
  private pooled: PooledBuffer | null = null;

  /**
   * @param announced how many bytes are to come; 0 when that is not known
   * @param isPooled whether the result may be a view of pooled memory
   */
  constructor(
    private readonly announced: number,
    private readonly isPooled: boolean,
  ) {}

  add(piece: Buffer): void {
    const length = this.length + piece.length;
    // Most bodies are one piece, which owns its memory.
    if (this.length === 0 && piece.length === piece.buffer.byteLength) this.bytes = piece;
    else {
      if (length > this.bytes.length) this.grow(length);
      piece.copy(this.bytes, this.length);
    }
    this.length = length;
  }

  /** All of it; where it is a view of pooled memory, whoever takes it is the holder. */
  take(): Buffer {
    const { bytes, pooled, length } = this;
    this.bytes = NOTHING;
    this.pooled = null;
    this.length = 0;
    return pooled ? pooled.view(length) : bytes.subarray(0, length);
  }

  drop(): void {
    this.pooled?.release();
    this.take();
  }

  private grow(length: number): void {
    const believed = Math.min(this.announced, Math.max(BELIEVED_BYTES, BELIEVED_TIMES * length));
    // Twice as large each time: a body is moved once on average, however long it is.
    const wanted = Math.max(length, believed, Math.min(2 * this.bytes.length, this.announced || Infinity));
    const pooled = this.isPooled ? PooledBuffer.take(wanted) : null;
    const larger = pooled?.bytes ?? Buffer.allocUnsafeSlow(wanted);
    this.bytes.copy(larger, 0, 0, this.length);
    this.pooled?.release();
    this.pooled = pooled;
    this.bytes = larger;
  }
}
