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
 * @throws GatewayError 400, naming the position of one that does not open
 */
export function withOpenedCompactions(
  call: ResponseCall,
  seal: CompactionSeal,
  groupId: string,
  nowSeconds: number,
): Buffer {
  const { raw } = call;
  const edits: ItemEdit[] = [];
  const summaries = new Set<string>();
  for (const content of call.encryptedContents) {
    if (!isSealedHere(call, content)) continue;
    const { item } = content;
    const summary = opened(seal, sealedText(raw, content.blobStart), { groupId, nowSeconds, index: item.index });
    edits.push({ item, json: summaries.has(summary) ? null : JSON.stringify(summaryMessage(summary)) });
    summaries.add(summary);
  }
  for (const item of readInputItems(raw) ?? []) {
    if (isRepetition(item, summaries)) edits.push({ item: item.scan, json: null });
  }
  return withItems(
    raw,
    edits.toSorted((one, other) => one.item.start - other.item.start),
  );
}

function opened(
  seal: CompactionSeal,
  sealed: string,
  { groupId, nowSeconds, index }: { groupId: string; nowSeconds: number; index: number },
): string {
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
  for (const summary of summaries) {
    // Text is never shorter in JSON: most messages need not be read.
    if (bytes >= summary.length && messageText(item.read().content) === summary) return true;
  }
  return false;
}
