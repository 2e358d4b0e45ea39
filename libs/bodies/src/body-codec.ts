import { promisify } from 'node:util';
import * as zlib from 'node:zlib';

/** How a body is compressed. */
export type BodyCodec = 'zstd' | 'br';

type Buffers = (bytes: Uint8Array) => Buffer;
type Told = (error: Error | null, result: Buffer) => void;

/** Node's own from 22.15 on; the types are those of Node 20. */
const { zstdCompressSync, zstdDecompress } = zlib as {
  zstdCompressSync?: Buffers;
  zstdDecompress?: (bytes: Uint8Array, told: Told) => void;
};
/** Half the time of the next level, and four fifths of the size of the one before. */
const BROTLI_QUALITY = 4;

/** Compresses with the best that this Node has. Takes a while: not for the event loop. */
export function compressBody(bytes: Buffer): { codec: BodyCodec; content: Buffer } {
  if (zstdCompressSync) return { codec: 'zstd', content: zstdCompressSync(bytes) };
  const params = {
    [zlib.constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY,
    [zlib.constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
  };
  return { codec: 'br', content: zlib.brotliCompressSync(bytes, { params }) };
}

/** @throws Error when this Node cannot read it, or the bytes were changed */
export async function decompressBody(codec: string, content: Uint8Array): Promise<Buffer> {
  if (codec === 'br') return promisify(zlib.brotliDecompress)(content);
  if (codec === 'zstd' && zstdDecompress) return promisify(zstdDecompress)(content);
  throw new Error(`a body in ${codec} cannot be read by this version of Node`);
}
