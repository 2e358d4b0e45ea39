const MAGIC = [0x28, 0xb5, 0x2f, 0xfd];
/** One segment, content size in four bytes. */
const DESCRIPTOR = 0xa0;
const BLOCK_BYTES_MAX = 128 * 1024;

/** Bytes as a zstd frame that compresses nothing (RFC 8878 §3.1): Node 20 has no compressor of its own. */
export function zstdFrame(bytes: Buffer): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(bytes.length);
  const parts: Buffer[] = [Buffer.from([...MAGIC, DESCRIPTOR]), size];
  let start = 0;
  do {
    const block = bytes.subarray(start, start + BLOCK_BYTES_MAX);
    start += BLOCK_BYTES_MAX;
    const isLast = start >= bytes.length;
    const header = Buffer.alloc(3);
    header.writeUIntLE((block.length << 3) | (isLast ? 1 : 0), 0, 3);
    parts.push(header, block);
  } while (start < bytes.length);
  return Buffer.concat(parts);
}
