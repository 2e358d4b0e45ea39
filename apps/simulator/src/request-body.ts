import type { IncomingMessage } from 'node:http';
import * as zlib from 'node:zlib';
import { ApiError, refusals } from './api-error.js';
import { isObject, type JsonObject } from './json.js';

/** The largest request body, before and after decoding. */
export const BODY_BYTES_MAX = 64 * 1024 * 1024;

/** Receives the whole raw body; null when the client left before its end. */
export function receiveBody(request: IncomingMessage): Promise<Buffer | null> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      // What is over the limit is read and dropped: answering without reading would reset the upload.
      if (bytes > BODY_BYTES_MAX) chunks.length = 0;
      else chunks.push(chunk);
    });
    request.on('end', () => {
      if (bytes > BODY_BYTES_MAX) return reject(refusals.bodyTooLarge());
      return resolve(chunks.length === 1 ? (chunks[0] ?? null) : Buffer.concat(chunks));
    });
    request.on('error', () => resolve(null));
    request.on('close', () => resolve(null));
  });
}

/** Decodes and parses a JSON request body; anything but one JSON object is refused. */
export function parseBody(raw: Buffer, contentEncoding: string | undefined): JsonObject {
  const text = decodeBody(raw, contentEncoding).toString('utf8');
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) throw refusals.badJson();
    throw error;
  }
  if (!isObject(parsed)) throw refusals.badJson();
  return parsed;
}

type Decoder = (bytes: Buffer, options: { maxOutputLength: number }) => Buffer;

const decoders = new Map<string, Decoder>([
  ['gzip', zlib.gunzipSync],
  ['x-gzip', zlib.gunzipSync],
  ['br', zlib.brotliDecompressSync],
  ['deflate', zlib.inflateSync],
]);
// Node has zstd from 22.15 on; the types are those of Node 20.
const { zstdDecompressSync } = zlib as { zstdDecompressSync?: Decoder };
if (zstdDecompressSync) decoders.set('zstd', zstdDecompressSync);

function decodeBody(raw: Buffer, contentEncoding: string | undefined): Buffer {
  const encoding = contentEncoding?.trim().toLowerCase();
  if (!encoding || encoding === 'identity') return raw;
  const decoder = decoders.get(encoding);
  if (!decoder) throw refusals.unknownEncoding(encoding);
  try {
    return decoder(raw, { maxOutputLength: BODY_BYTES_MAX });
  } catch (error) {
    throw decodingRefusal(encoding, error);
  }
}

function decodingRefusal(encoding: string, error: unknown): ApiError {
  const tooLarge = isObject(error) && error['code'] === 'ERR_BUFFER_TOO_LARGE';
  return tooLarge ? refusals.bodyTooLarge() : refusals.corruptEncoding(encoding);
}
