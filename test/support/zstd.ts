/** A block of a zstd frame: bytes as they are, or one byte many times. */
export type ZstdBlock = Buffer | { byte: number; times: number };

export const ZSTD_BLOCK_BYTES_MAX = 128 * 1024;
const MAGIC = [0x28, 0xb5, 0x2f, 0xfd];
/** No content size, no checksum, a window of 8 MiB. */
const HEADER = [0x00, 0x68];

/** A zstd frame without real compression, which Node 20 cannot do. */
export function zstdFrame(blocks: ZstdBlock[]): Buffer {
  const parts: Buffer[] = [Buffer.from([...MAGIC, ...HEADER])];
  for (const [index, block] of blocks.entries()) {
    const isRaw = Buffer.isBuffer(block);
    const size = isRaw ? block.length : block.times;
    const header = (size << 3) | (isRaw ? 0 : 2) | (index === blocks.length - 1 ? 1 : 0);
    parts.push(Buffer.from([header & 255, (header >> 8) & 255, header >> 16]));
    parts.push(isRaw ? block : Buffer.from([block.byte]));
  }
  return Buffer.concat(parts);
}

/** Bytes as a zstd frame. */
export function zstdStored(bytes: Buffer): Buffer {
  const blocks: Buffer[] = [];
  for (let at = 0; at < bytes.length || at === 0; at += ZSTD_BLOCK_BYTES_MAX) {
    blocks.push(bytes.subarray(at, at + ZSTD_BLOCK_BYTES_MAX));
  }
  return zstdFrame(blocks);
}

/** A frame of some bytes that stands for `mebibytes` MiB. */
export function zstdBomb(mebibytes: number): Buffer {
  return zstdFrame(Array.from({ length: mebibytes * 8 }, () => ({ byte: 32, times: ZSTD_BLOCK_BYTES_MAX })));
}
