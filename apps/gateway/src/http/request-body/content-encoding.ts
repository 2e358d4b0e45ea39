import { setImmediate } from 'node:timers/promises';
import { Transform, type TransformCallback } from 'node:stream';
import * as zlib from 'node:zlib';
import { errors } from '@app/protocol';
import { CorruptBody } from './zstd-entropy.js';
import { WINDOW_BYTES_MAX, ZstdFrame } from './zstd-frame.js';

/** How a request body may be compressed. */
export type ContentEncoding = 'zstd' | 'gzip' | 'br' | 'deflate';

const NAMES = new Map<string, ContentEncoding | null>([
  ['', null],
  ['identity', null],
  ['zstd', 'zstd'],
  ['gzip', 'gzip'],
  ['x-gzip', 'gzip'],
  ['br', 'br'],
  ['deflate', 'deflate'],
]);
/** What is decoded between two turns of the event loop. */
const SLICE_MS = 10;
const SLICE_BYTES = 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;

/**
 * Reads a `content-encoding` header; null for a body as it is. A list is refused: nobody compresses twice, but to attack.
 *
 * @throws GatewayError 415
 */
export function contentEncodingOf(header: string | undefined): ContentEncoding | null {
  if (header === undefined) return null;
  const encoding = NAMES.get(header.trim().toLowerCase());
  if (encoding === undefined) throw errors.unsupportedContentEncoding(header.slice(0, 64));
  return encoding;
}

/** A stream that decodes what is written to it; the first bytes are needed to tell the two forms of `deflate` apart. */
export function bodyDecoder(encoding: ContentEncoding, firstBytes: Buffer): Transform {
  switch (encoding) {
    case 'gzip':
      return zlib.createGunzip({ chunkSize: CHUNK_BYTES });
    case 'br':
      return zlib.createBrotliDecompress({ chunkSize: CHUNK_BYTES });
    case 'deflate':
      // The standard means the zlib form (method 8 in the low bits); the bare form, which never begins so, is about as common.
      return ((firstBytes[0] ?? 0) & 15) === 8
        ? zlib.createInflate({ chunkSize: CHUNK_BYTES })
        : zlib.createInflateRaw({ chunkSize: CHUNK_BYTES });
    case 'zstd':
      return nativeZstd() ?? new ZstdDecoder();
  }
}

/** Node's own, off the event loop; from 22.15 on, and the types are those of Node 20. */
function nativeZstd(): Transform | null {
  const { createZstdDecompress, constants } = zlib as {
    createZstdDecompress?: (options: { chunkSize: number; params: Record<number, number> }) => Transform;
    constants: { ZSTD_d_windowLogMax?: number };
  };
  const { ZSTD_d_windowLogMax: windowLogMax } = constants;
  if (!createZstdDecompress || windowLogMax === undefined) return null;
  return createZstdDecompress({ chunkSize: CHUNK_BYTES, params: { [windowLogMax]: Math.log2(WINDOW_BYTES_MAX) } });
}

/** Decodes zstd on the event loop, in slices that leave it to others in between. */
export class ZstdDecoder extends Transform {
  private readonly frame = new ZstdFrame();
  /** A slice may span several chunks: they come without a turn of the event loop in between. */
  private sliceBytes = 0;
  private sliceEndsAt = 0;

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    void this.decode(chunk, done);
  }

  override _flush(done: TransformCallback): void {
    done(this.frame.isDone ? null : new CorruptBody('it is cut off'));
  }

  private async decode(chunk: Buffer, done: TransformCallback): Promise<void> {
    try {
      for (const block of this.frame.decode(chunk)) {
        if (block.length > 0) this.push(block);
        this.sliceBytes += block.length;
        if (this.sliceBytes < SLICE_BYTES && performance.now() < this.sliceEndsAt) continue;
        await setImmediate();
        // Meanwhile it may have been found to be too much.
        if (this.destroyed) return;
        this.sliceBytes = 0;
        this.sliceEndsAt = performance.now() + SLICE_MS;
      }
      done();
    } catch (error) {
      done(error as Error);
    }
  }
}
