const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const BYTE_ORDER_MARK = Buffer.from('\uFEFF');
const EMPTY = Buffer.alloc(0);

/**
 * Mends the two legal forms of an event stream that real clients do not take: a byte order mark at its start (Codex panics)
 * and lines that end in a lone CR (Codex misses every event; codex-cli.md §3). All other streams pass without a copy.
 */
export class StreamNormalizer {
  private lineEnds: 'unknown' | 'kept' | 'translated' = 'unknown';
  private isAtStart = true;
  /** Bytes that cannot be judged before the next ones are there: part of a mark, or a CR. */
  private pending: Buffer = EMPTY;
  private wasCarriageReturn = false;

  /** The bytes to go on with; may be empty. */
  push(chunk: Buffer): Buffer {
    if (this.lineEnds === 'kept') return chunk;
    if (this.lineEnds === 'translated') return this.translated(chunk);
    let bytes = this.pending.length > 0 ? Buffer.concat([this.pending, chunk]) : chunk;
    this.pending = EMPTY;
    if (this.isAtStart) {
      const mark = BYTE_ORDER_MARK.subarray(0, bytes.length);
      if (bytes.subarray(0, mark.length).equals(mark)) {
        if (bytes.length < BYTE_ORDER_MARK.length) return this.wait(bytes);
        bytes = bytes.subarray(BYTE_ORDER_MARK.length);
      }
      this.isAtStart = bytes.length === 0;
    }
    return this.judge(bytes);
  }

  /** What was still waiting when the bytes ended. */
  end(): Buffer {
    const rest = this.pending;
    this.pending = EMPTY;
    return this.lineEnds === 'unknown' && rest.length > 0 ? this.translated(rest) : rest;
  }

  /** The first line end of a stream decides for all. */
  private judge(bytes: Buffer): Buffer {
    const at = bytes.findIndex((byte) => byte === LINE_FEED || byte === CARRIAGE_RETURN);
    if (at === -1) return bytes;
    if (bytes[at] === CARRIAGE_RETURN) {
      if (at === bytes.length - 1) return this.wait(bytes);
      if (bytes[at + 1] !== LINE_FEED) {
        this.lineEnds = 'translated';
        return this.translated(bytes);
      }
    }
    this.lineEnds = 'kept';
    return bytes;
  }

  private wait(bytes: Buffer): Buffer {
    this.pending = bytes;
    return EMPTY;
  }

  private translated(bytes: Buffer): Buffer {
    const out = Buffer.allocUnsafe(bytes.length);
    let length = 0;
    for (const byte of bytes) {
      const isSecondHalf = byte === LINE_FEED && this.wasCarriageReturn;
      this.wasCarriageReturn = byte === CARRIAGE_RETURN;
      if (!isSecondHalf) out[length++] = byte === CARRIAGE_RETURN ? LINE_FEED : byte;
    }
    return out.subarray(0, length);
  }
}
