/** What an image costs when its size is not known: one of 1024 by 1024 pixels. */
export const IMAGE_TOKENS_DEFAULT = 765;
/** An image in low detail always costs this. */
const LOW_DETAIL_TOKENS = 85;
const TOKENS_PER_TILE = 170;
const TILE_PIXELS = 512;
/** Larger images are shrunk to fit into a square of this side, and then to this shortest side. */
const LONGEST_PIXELS_MAX = 2048;
const SHORTEST_PIXELS_MAX = 768;
/** Where the size of a JPEG is looked for: it stands behind its metadata. */
const HEADER_BASE64_CHARACTERS = 256 * 1024;

interface Size {
  width: number;
  height: number;
}

/** What an image costs by OpenAI's tile rule (GPT-4o and GPT-5). Newer models count patches: the same order of magnitude. */
export function imageTokens(url: unknown, detail: unknown): number {
  if (detail === 'low') return LOW_DETAIL_TOKENS;
  const size = typeof url === 'string' ? sizeOf(url) : null;
  return size ? LOW_DETAIL_TOKENS + tilesOf(size) * TOKENS_PER_TILE : IMAGE_TOKENS_DEFAULT;
}

function tilesOf({ width, height }: Size): number {
  const toFit = Math.min(1, LONGEST_PIXELS_MAX / Math.max(width, height));
  const scale = toFit * Math.min(1, SHORTEST_PIXELS_MAX / (Math.min(width, height) * toFit));
  return Math.ceil((width * scale) / TILE_PIXELS) * Math.ceil((height * scale) / TILE_PIXELS);
}

/** The size of a PNG or JPEG in a data URL, from its first bytes; null when it cannot be seen there. */
function sizeOf(url: string): Size | null {
  const comma = url.indexOf(',');
  if (!url.startsWith('data:image/') || comma === -1 || comma > 256) return null;
  const bytes = Buffer.from(url.slice(comma + 1, comma + 1 + HEADER_BASE64_CHARACTERS), 'base64');
  const size = pngSize(bytes) ?? jpegSize(bytes);
  return size && size.width > 0 && size.height > 0 ? size : null;
}

function pngSize(bytes: Buffer): Size | null {
  if (bytes.length < 24 || bytes.toString('latin1', 1, 4) !== 'PNG') return null;
  return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) };
}

/** Walks the segments up to the frame header (SOF0 to SOF15, without DHT, JPG and DAC). */
function jpegSize(bytes: Buffer): Size | null {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return null;
  for (let at = 2; at + 9 < bytes.length && bytes[at] === 0xff;) {
    const marker = bytes[at + 1] ?? 0;
    if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) {
      return { height: bytes.readUInt16BE(at + 5), width: bytes.readUInt16BE(at + 7) };
    }
    at += 2 + Math.max(2, bytes.readUInt16BE(at + 2));
  }
  return null;
}
