import type { InputItem } from '@app/protocol';
import { partBytesFor } from './summarizer.js';

/** What an image counts, whatever its bytes are. */
const IMAGE_BYTES = 4 * 1024;

export interface KeptMessages {
  readonly messages: readonly InputItem[];
  /** How many older ones are left to the summary. */
  readonly dropped: number;
}

/** The newest of the user's messages that leave room in the window for the session to go on: all of them, almost always. */
export function keptWithin(messages: readonly InputItem[], windowTokens: number | null): KeptMessages {
  let room = partBytesFor(windowTokens);
  let first = messages.length;
  while (first > 0) {
    room -= sizeOf(messages[first - 1] as InputItem);
    if (room < 0) break;
    first--;
  }
  return { messages: messages.slice(first), dropped: first };
}

/** Bytes that are text to the model. */
function sizeOf(message: InputItem): number {
  const bytes = message.scan.end - message.scan.start;
  if (bytes < IMAGE_BYTES) return bytes;
  const { content } = message.read();
  if (!Array.isArray(content)) return bytes;
  return content.reduce((sum: number, part) => sum + sizeOfPart(part), 0);
}

function sizeOfPart(part: unknown): number {
  const isImage = (part as { type?: unknown } | null)?.type === 'input_image';
  return isImage ? IMAGE_BYTES : Buffer.byteLength(JSON.stringify(part) ?? '');
}
