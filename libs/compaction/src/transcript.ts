import type { InputItem } from '@app/protocol';
import { itemText } from './item-text.js';

const SEPARATOR = '\n\n';
/** How far before its end a piece looks for a line break or a blank to end at. */
const SEAM_SHARE = 0.1;

/** A conversation as text, item by item. Made as it is read: a conversation of megabytes is never in memory twice. */
export function* transcriptOf(items: Iterable<InputItem>): Generator<string, void> {
  for (const item of items) {
    const text = itemText(item.type, item.read());
    if (text !== null) yield text;
  }
}

/**
 * Texts, in order and complete, in chunks that take at most so many bytes inside a JSON string. A chunk ends between two
 * texts where it can; a text that is larger than a chunk goes on in the next one.
 */
export function* chunked(texts: Iterable<string>, bytesMax: number): Generator<string, void> {
  let chunk: string[] = [];
  let chunkBytes = 0;
  for (const text of texts) {
    for (const piece of pieces(text, bytesMax)) {
      const bytes = bytesInJson(piece) + bytesInJson(SEPARATOR);
      if (chunk.length > 0 && chunkBytes + bytes > bytesMax) {
        yield chunk.join(SEPARATOR);
        chunk = [];
        chunkBytes = 0;
      }
      chunk.push(piece);
      chunkBytes += bytes;
    }
  }
  if (chunk.length > 0) yield chunk.join(SEPARATOR);
}

/** A text that is too large, cut where a reader would cut it. */
function* pieces(text: string, bytesMax: number): Generator<string, void> {
  const bytes = bytesInJson(text);
  if (bytes <= bytesMax) return yield text;
  const length = Math.max(1, Math.floor((text.length * bytesMax) / bytes));
  for (let at = 0; at < text.length;) {
    const end = seam(text, at, Math.min(text.length, at + length));
    const piece = text.slice(at, end);
    // Denser than the average: cut once more.
    if (piece.length > 1 && bytesInJson(piece) > bytesMax) yield* pieces(piece, bytesMax);
    else yield piece;
    at = end;
  }
}

/** Where to cut at the latest: behind a line break, else a blank, and never inside a character. */
function seam(text: string, start: number, end: number): number {
  if (end === text.length) return end;
  const earliest = end - Math.floor((end - start) * SEAM_SHARE);
  for (const mark of ['\n', ' ']) {
    const at = text.lastIndexOf(mark, end - 1);
    if (at >= earliest && at > start) return at + 1;
  }
  const isInsidePair = /[\uDC00-\uDFFF]/.test(text.charAt(end)) && end - start > 1;
  return isInsidePair ? end - 1 : end;
}

function bytesInJson(text: string): number {
  return Buffer.byteLength(JSON.stringify(text)) - 2;
}
