import { type Document, isAlias, isMap, isNode, isPair, isScalar, isSeq, type LineCounter, type Node } from 'yaml';

export interface Place {
  readonly line: number;
  readonly column: number;
}

/** Where the field of a path such as groups.0.name stands; where it is missing, what it is missing from. */
export type Places = (path: string) => Place;

/** The places of what a document says. */
export function placesOf(document: Document, lineCounter: LineCounter): Places {
  return (path) => {
    const offset = offsetOf(document, path === '' ? [] : path.split('.'));
    const { line, col } = lineCounter.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
}

function offsetOf(document: Document, names: readonly string[]): number {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  let rest = names;
  while (rest.length > 0) {
    if (isAlias(node)) node = node.resolve(document);
    const found = memberOf(node, rest);
    if (!found) return offset;
    offset = found.offset ?? offset;
    node = found.value;
    rest = rest.slice(found.names);
  }
  return offset;
}

interface Member {
  readonly offset: number | null;
  readonly value: unknown;
  /** How many parts of the path its name takes: a header's may hold dots. */
  readonly names: number;
}

function memberOf(node: unknown, names: readonly string[]): Member | null {
  if (isSeq(node)) {
    const item = node.items[Number(names[0])];
    return item === undefined ? null : { offset: startOf(item), value: item, names: 1 };
  }
  if (!isMap(node)) return null;
  for (let count = names.length; count > 0; count--) {
    const name = names.slice(0, count).join('.');
    const pair = node.items.find(({ key }) => (isScalar(key) ? String(key.value) : String(key)) === name);
    if (isPair(pair)) return { offset: startOf(pair.key), value: pair.value, names: count };
  }
  return null;
}

function startOf(node: unknown): number | null {
  return isNode(node) ? ((node as Node).range?.[0] ?? null) : null;
}
