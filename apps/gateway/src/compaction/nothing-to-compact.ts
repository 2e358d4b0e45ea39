import { isKept, isSummaryMessage } from '@app/compaction';
import type { InputItem } from '@app/protocol';

/** The messages of a user alone are kept as they are; only when they are this large a summary may be wanted all the same. */
const SMALL_BYTES = 8 * 1024;

/**
 * Whether a compaction would leave everything as it is: there is nothing, nothing but a few messages of the user, or what an
 * earlier compaction has left. A text instead of a list is meant to be summarised, however short it is.
 */
export function isNothingToCompact(raw: Buffer, items: readonly InputItem[]): boolean {
  if (items.every((item) => isKept(item) || isSummary(item))) {
    const bytes = items.reduce((sum, { scan }) => sum + scan.end - scan.start, 0);
    const isText = items.length === 1 && raw[items[0]?.scan.start ?? -1] === 0x22;
    return items.some((item) => !isKept(item)) || (bytes <= SMALL_BYTES && !isText);
  }
  return false;
}

function isSummary(item: InputItem): boolean {
  return item.type === 'message' && item.role === 'developer' && isSummaryMessage(item.read());
}
