import { crc32 } from 'node:zlib';
import type { PrefixParts } from '@app/protocol';

/** Checksum and byte length of a call's instructions, of its tools and of each item of its input, in turn. */
export type PrefixFingerprint = Uint32Array;

/** How a call begins, compared with one before it. */
export interface PrefixChange {
  /** Items of the input that are the same in both, from the first one on. */
  readonly keptItems: number;
  /** The first thing that is not as it was; null: all that both have is the same. */
  readonly brokenAt:
    { readonly part: 'instructions' | 'tools' } | { readonly part: 'input'; readonly itemIndex: number } | null;
}

const CELLS_PER_PART = 2;
const [INSTRUCTIONS, TOOLS, ITEMS] = [0, 1, 2] as const;

/** Sums up how a call begins, as its bytes stand in the body: they are read once, and nothing of them is kept. */
export function prefixFingerprint(raw: Buffer, { instructions, tools, items }: PrefixParts): PrefixFingerprint {
  const cells = new Uint32Array(ITEMS * CELLS_PER_PART + items.length);
  sumUp(cells, INSTRUCTIONS, raw, instructions.start, instructions.end);
  sumUp(cells, TOOLS, raw, tools.start, tools.end);
  for (let at = 0; at < items.length; at += 2) sumUp(cells, ITEMS + at / 2, raw, items[at] ?? -1, items[at + 1] ?? -1);
  return cells;
}

/** How many items of input a fingerprint stands for. */
export function itemsOf(fingerprint: PrefixFingerprint): number {
  return fingerprint.length / CELLS_PER_PART - ITEMS;
}

/**
 * Finds the first thing that has changed: instructions, tools, then item by item. Items that were added are no change, nor are those
 * that are missing at the end.
 */
export function prefixChange(before: PrefixFingerprint, now: PrefixFingerprint): PrefixChange {
  if (!isSame(before, now, INSTRUCTIONS)) return { keptItems: 0, brokenAt: { part: 'instructions' } };
  if (!isSame(before, now, TOOLS)) return { keptItems: 0, brokenAt: { part: 'tools' } };
  const items = Math.min(itemsOf(before), itemsOf(now));
  for (let itemIndex = 0; itemIndex < items; itemIndex++) {
    if (!isSame(before, now, ITEMS + itemIndex)) {
      return { keptItems: itemIndex, brokenAt: { part: 'input', itemIndex } };
    }
  }
  return { keptItems: items, brokenAt: null };
}

function sumUp(cells: PrefixFingerprint, part: number, raw: Buffer, start: number, end: number): void {
  if (start === -1) return;
  cells[part * CELLS_PER_PART] = crc32(raw.subarray(start, end));
  cells[part * CELLS_PER_PART + 1] = end - start;
}

function isSame(one: PrefixFingerprint, other: PrefixFingerprint, part: number): boolean {
  const at = part * CELLS_PER_PART;
  return one[at] === other[at] && one[at + 1] === other[at + 1];
}
