import { randomBytes } from 'node:crypto';
import type { InputItem } from '@app/protocol';

/** What a group wants `POST /responses/compact` to answer beside the messages of the user. */
export type CompactionOutput = 'both' | 'sealed' | 'message';

type Json = Readonly<Record<string, unknown>>;

const ID_BYTES = 25;

/** Whether this is the type of a compaction, under either of its names (protocol.md §3). */
export function isCompactionType(type: unknown): boolean {
  return type === 'compaction' || type === 'compaction_summary';
}

/** Whether a compaction keeps an item as it is: the messages of the user, which say what all the rest was for. */
export function isKept({ type, role }: InputItem): boolean {
  return type === 'message' && role === 'user';
}

/** A message of the user as the API shows it after a compaction: with id and status, its content in parts. */
export function keptMessage(item: InputItem): Json {
  const { content, id, ...rest } = item.read();
  const parts = typeof content === 'string' ? [{ type: 'input_text', text: content }] : content;
  const isNamed = typeof id === 'string' && id !== '';
  return {
    ...rest,
    id: isNamed ? id : newItemId('msg'),
    type: 'message',
    status: 'completed',
    role: 'user',
    content: parts,
  };
}

/** The one item that stands for everything else. */
export function compactionItem(sealed: string): Json {
  return { id: newItemId('cmp'), type: 'compaction', encrypted_content: sealed };
}

/** The summary for people, and for clients that know no compaction items. */
export function readableSummary(summary: string): Json {
  const content = [{ type: 'output_text', text: summary, annotations: [], logprobs: [] }];
  return { id: newItemId('msg'), type: 'message', status: 'completed', role: 'assistant', content };
}

/** What stands behind the kept messages in the output of `POST /responses/compact`. */
export function summaryItems(summary: string, sealed: string, output: CompactionOutput): Json[] {
  if (output === 'sealed') return [compactionItem(sealed)];
  if (output === 'message') return [readableSummary(summary)];
  return [readableSummary(summary), compactionItem(sealed)];
}

/** An item's id in the shape of OpenAI's (protocol.md §1). */
function newItemId(prefix: 'msg' | 'cmp'): string {
  return `${prefix}_${randomBytes(ID_BYTES).toString('hex')}`;
}
