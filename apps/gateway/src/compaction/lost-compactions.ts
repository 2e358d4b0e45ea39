import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import {
  CompactedHistories,
  HISTORY_BYTES_MAX,
  isCompactionType,
  lostCompactionMessage,
  summaryMessage,
  transcriptOf,
} from '@app/compaction';
import { ModelCatalog } from '@app/models';
import {
  type EncryptedContent,
  type InputItem,
  type ItemEdit,
  readInputItems,
  readResponseCall,
  type ResponseCall,
  withItems,
} from '@app/protocol';
import { NobodyWaitsError } from './call-books.js';
import { type SideCompaction, SideCompactions } from './side-compactions.js';
import { partBytesFor } from './summarizer.js';

const SUMMARIES_MAX = 1_000;
/** A history up to this share of what a model can read at once is told as it is. */
const TOLD_SHARE = 0.25;

/** Whether a sealed content is a compaction, and not reasoning. */
export function isCompaction({ itemType }: EncryptedContent): boolean {
  return isCompactionType(itemType);
}

/**
 * Lets sessions go on that carry the compaction of an upstream which is lost. What it stands for is known when it was made
 * through this process: it is told again, or summarised if that is long.
 */
@Injectable()
export class LostCompactions {
  private readonly summaries = new LRUCache<string, string>({ max: SUMMARIES_MAX });

  constructor(
    private readonly histories: CompactedHistories,
    private readonly side: SideCompactions,
    private readonly catalog: ModelCatalog,
  ) {}

  /** Remembers what a compaction that an upstream has just made stands for. */
  async keep(groupId: string, call: ResponseCall, fingerprint: string): Promise<void> {
    if (call.raw.length > HISTORY_BYTES_MAX) return;
    await this.histories.keep(groupId, fingerprint, [...this.history(groupId, call)].join('\n\n'));
  }

  /**
   * The call without the compactions of lost upstreams: a message tells what each of them stood for, or that it is not known.
   *
   * @param lost those that nobody can read any more
   * @throws NobodyWaitsError
   */
  async replaced(asked: SideCompaction, lost: readonly EncryptedContent[]): Promise<ResponseCall> {
    const edits: ItemEdit[] = [];
    for (const content of lost) {
      edits.push({ item: content.item, json: JSON.stringify(await this.messageFor(asked, content)) });
    }
    return readResponseCall(withItems(asked.call.raw, edits));
  }

  private async messageFor(asked: SideCompaction, { fingerprint }: EncryptedContent): Promise<object> {
    const groupId = asked.request.caller.group.id;
    const key = `${groupId} ${fingerprint}`;
    const known = this.summaries.get(key);
    if (known !== undefined) return summaryMessage(known);
    const history = this.histories.find(groupId, fingerprint);
    if (history === null) return lostCompactionMessage();
    const windowTokens = this.catalog.find(asked.call.model)?.contextWindowTokens ?? null;
    if (Buffer.byteLength(history) <= partBytesFor(windowTokens) * TOLD_SHARE) return summaryMessage(history);
    try {
      const { text } = await this.side.write(asked, [history]);
      this.summaries.set(key, text);
      return summaryMessage(text);
    } catch (error) {
      if (error instanceof NobodyWaitsError) throw error;
      return lostCompactionMessage();
    }
  }

  /** The conversation of a call as text, with what older compactions in it stand for. */
  private *history(groupId: string, { raw, encryptedContents }: ResponseCall): Generator<string, void> {
    const fingerprints = new Map(encryptedContents.map(({ item, fingerprint }) => [item.index, fingerprint]));
    let pending: InputItem[] = [];
    for (const item of readInputItems(raw) ?? []) {
      if (!isCompactionType(item.type)) {
        pending.push(item);
        continue;
      }
      yield* transcriptOf(pending);
      pending = [];
      const older = this.histories.find(groupId, fingerprints.get(item.scan.index) ?? '');
      if (older !== null) yield older;
    }
    yield* transcriptOf(pending);
  }
}
