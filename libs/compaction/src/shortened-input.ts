import { createHash, type Hash } from 'node:crypto';
import type { InputItem } from '@app/protocol';
import { isCompactionType, isKept } from './compacted-output.js';
import { isSummaryMessage, summaryMessage } from './summary-message.js';

/** Items that stay, besides compactions: what the client says to the model, what brings tools, what the upstream holds. */
const STAYING = new Set(['additional_tools', 'configuration_update', 'item_reference']);

/** How an input is to be made shorter. */
export interface InputCut {
  /** How many items at the head are replaced by their summary, but for those that stay. */
  readonly count: number;
  /** Items behind the cut that belong to a call before it: a tool's output never stands without its call. */
  readonly moved: ReadonlySet<InputItem>;
}

/** Where an input can be cut, best first: before the last message of the user, or behind everything. None: nothing can go. */
export function cutsOf(items: readonly InputItem[]): InputCut[] {
  const counts = [items.findLastIndex(isKept), items.length];
  return counts
    .filter((count) => items.slice(0, Math.max(0, count)).some((item) => !isStaying(item)))
    .map((count) => cutAt(items, count));
}

/** The cut behind so many items. */
export function cutAt(items: readonly InputItem[], count: number): InputCut {
  return { count, moved: strandedOutputs(items, count) };
}

/** What is to be summarised: everything before the cut, so that the summary knows what it is about. */
export function summarizedItems(items: readonly InputItem[], { count, moved }: InputCut): InputItem[] {
  return items.filter((item, index) => index < count || moved.has(item));
}

/** The items of the input, each as JSON, with a summary in the place of what was summarised. */
export function shortenedInput(
  raw: Buffer,
  items: readonly InputItem[],
  { count, moved }: InputCut,
  summary: string,
): string[] {
  const head = items.slice(0, count).filter(isStaying);
  const tail = items.slice(count).filter((item) => !moved.has(item));
  const json = (item: InputItem): string =>
    raw[item.scan.start] === 0x22 ? JSON.stringify(item.read()) : raw.toString('utf8', item.scan.start, item.scan.end);
  return [...head.map(json), JSON.stringify(summaryMessage(summary)), ...tail.map(json)];
}

/** Recognises a run of items by their bytes. */
export function fingerprintOfItems(raw: Buffer, items: readonly InputItem[]): string {
  const add = (hash: Hash, { scan }: InputItem): Hash => hash.update(raw.subarray(scan.start, scan.end)).update('\0');
  return items.reduce(add, createHash('sha256')).digest('base64');
}

function isStaying(item: InputItem): boolean {
  if (item.type !== 'message') return STAYING.has(item.type) || isCompactionType(item.type);
  if (item.role === 'assistant') return false;
  return item.role !== 'developer' || !isSummaryMessage(item.read());
}

function strandedOutputs(items: readonly InputItem[], count: number): Set<InputItem> {
  const tail = items.slice(count);
  const calls = new Set(tail.filter(({ type }) => type.endsWith('_call')).map((item) => item.read().call_id));
  return new Set(tail.filter((item) => item.type.endsWith('_output') && !calls.has(item.read().call_id)));
}
