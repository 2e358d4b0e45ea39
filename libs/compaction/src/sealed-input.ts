import {
  type EncryptedContent,
  errors,
  type InputItem,
  type ItemEdit,
  readInputItems,
  type ResponseCall,
  sealedText,
  withItems,
} from '@app/protocol';
import { type CompactionSeal, CompactionSealError, SEAL_PREFIX } from './compaction-seal.js';
import { messageText } from './item-text.js';
import { summaryMessage } from './summary-message.js';

const QUOTED_PREFIX = Buffer.from(`"${SEAL_PREFIX}`);
const BACKSLASH = 0x5c;
/** A session has one or two; more, or more text in them, would be a way to keep the gateway busy. */
const SEALED_MAX = 64;
const OPENED_CHARACTERS_MAX = 8 * 1024 * 1024;

/** Who opens, and for whom. */
export interface Opening {
  readonly seal: CompactionSeal;
  readonly groupId: string;
  readonly nowSeconds: number;
}

/** Whether one of a call's sealed contents was sealed here. Almost none was, and that is seen by a few bytes. */
export function isSealedHere({ raw }: ResponseCall, { blobStart }: EncryptedContent): boolean {
  const head = raw.subarray(blobStart, blobStart + QUOTED_PREFIX.length);
  // With an escape in it, it has to be decoded to be known.
  return head.equals(QUOTED_PREFIX) || (head.includes(BACKSLASH) && sealedText(raw, blobStart).startsWith(SEAL_PREFIX));
}

/**
 * The body with every compaction of ours opened: in its place stands a developer message with the summary. A message of the
 * assistant that says the same, which `POST /responses/compact` answers beside it, is left out: the summary counts once.
 *
 * @param contents those of its sealed contents that were sealed here
 * @throws GatewayError 400, naming the position of one that does not open
 */
export function withOpenedCompactions(
  { raw }: ResponseCall,
  contents: readonly EncryptedContent[],
  opening: Opening,
): Buffer {
  const edits: ItemEdit[] = [];
  const summaries = new Set<string>();
  const known = new Set<string>();
  let characters = 0;
  for (const content of contents) {
    const { item, blobStart } = content;
    const sealed = sealedText(raw, blobStart);
    const isKnown = known.has(sealed);
    const summary = isKnown ? '' : opened(sealed, item.index, opening);
    known.add(sealed);
    characters += summary.length;
    if (known.size > SEALED_MAX || characters > OPENED_CHARACTERS_MAX) {
      throw errors.invalidType('input', `a list with at most ${SEALED_MAX} compactions`);
    }
    const isRepeated = isKnown || summaries.has(summary);
    edits.push({ item, json: isRepeated ? null : JSON.stringify(summaryMessage(summary)) });
    if (!isKnown) summaries.add(summary);
  }
  for (const item of readInputItems(raw) ?? []) {
    if (isRepetition(item, summaries)) edits.push({ item: item.scan, json: null });
  }
  return withItems(
    raw,
    edits.toSorted((one, other) => one.item.start - other.item.start),
  );
}

function opened(sealed: string, index: number, { seal, groupId, nowSeconds }: Opening): string {
  try {
    return seal.open(sealed, groupId, nowSeconds).summary;
  } catch (error) {
    if (error instanceof CompactionSealError) throw errors.sealedCompactionUnreadable(index, error.message);
    throw error;
  }
}

function isRepetition(item: InputItem, summaries: ReadonlySet<string>): boolean {
  if (item.type !== 'message' || item.role !== 'assistant') return false;
  const bytes = item.scan.end - item.scan.start;
  // Text is never shorter in JSON: most messages need not be read.
  const mayRepeat = [...summaries].some((summary) => bytes >= summary.length);
  return mayRepeat && summaries.has(messageText(item.read().content));
}
