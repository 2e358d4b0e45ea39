import { type ItemScan, scanTrustedObject } from './json-scan.js';
import { type EncryptedContent, type ResponseCall, spanOfMember } from './response-call.js';

/** What an upstream needs to be different in a call's body. */
export interface CallChanges {
  /** The model's name there. */
  readonly model: string;
  readonly storeFalse: boolean;
  /** How the upstream is to answer; null: as the client asked. */
  readonly stream: boolean | null;
  /** Blobs that this upstream cannot read: their items are taken out. */
  readonly strip: readonly EncryptedContent[];
  /** Members to set, as JSON; null takes one out. */
  readonly overrides: readonly MemberOverride[];
}

/** A top-level member that is set to a JSON text, or taken out. */
export interface MemberOverride {
  readonly name: string;
  readonly json: string | null;
}

/** Other JSON in the place of an item of a list; null takes the item out. */
export interface ItemEdit {
  readonly item: ItemScan;
  readonly json: string | null;
}

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

const COMMA = 0x2c;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** The call's bytes with what must be different put in; all other bytes stay as they came. */
export function rewriteCall(call: ResponseCall, changes: CallChanges): Buffer {
  const { raw } = call;
  const edits: Edit[] = [];
  if (changes.model !== call.model)
    edits.push({ ...spanOfMember(call.scan, 'model'), text: JSON.stringify(changes.model) });
  if (changes.storeFalse) addFlag(edits, call, 'store', false);
  if (changes.stream !== null && changes.stream !== call.stream) addFlag(edits, call, 'stream', changes.stream);
  if (changes.strip.length > 0)
    edits.push(
      ...itemRemovals(
        raw,
        changes.strip.map(({ item }) => item),
      ),
    );
  const body = edits.length === 0 ? raw : applied(raw, edits);
  return withMembers(body, changes.overrides);
}

/** The bytes with items of their list changed; all other bytes stay as they came. @param edits in the list's order */
export function withItems(raw: Buffer, edits: readonly ItemEdit[]): Buffer {
  const removed = edits.flatMap(({ item, json }) => (json === null ? [item] : []));
  const replaced = edits.flatMap(({ item: { start, end }, json }) =>
    json === null ? [] : [{ start, end, text: json }],
  );
  return applied(raw, [...itemRemovals(raw, removed), ...replaced]);
}

/** The bytes of a JSON object with top-level members set, or taken out. */
export function withMembers(body: Buffer, overrides: readonly MemberOverride[]): Buffer {
  return overrides.reduce(withMember, body);
}

function addFlag(edits: Edit[], { raw, scan }: ResponseCall, name: 'store' | 'stream', value: boolean): void {
  const { start, end } = spanOfMember(scan, name);
  if (start === -1) edits.push({ start: scan.open + 1, end: scan.open + 1, text: `"${name}":${value},` });
  else if (raw.toString('latin1', start, end) !== String(value)) edits.push({ start, end, text: String(value) });
}

function applied(raw: Buffer, edits: readonly Edit[]): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  for (const { start, end, text } of edits.toSorted((a, b) => a.start - b.start)) {
    parts.push(raw.subarray(at, start), Buffer.from(text));
    at = end;
  }
  parts.push(raw.subarray(at));
  return Buffer.concat(parts);
}

/** Takes items out of their list, each with one comma. */
function itemRemovals(raw: Buffer, items: readonly ItemScan[]): Edit[] {
  const edits: Edit[] = [];
  for (const item of items) {
    const behind = skipSpace(raw, item.end);
    const hasNext = raw[behind] === COMMA;
    const end = hasNext ? behind + 1 : item.end;
    const before = edits.at(-1);
    // Neighbours go as one: the comma between them belongs to the first.
    if (before && skipSpace(raw, before.end) === item.start) edits[edits.length - 1] = { ...before, end };
    else edits.push({ start: item.start, end, text: '' });
  }
  const last = edits.at(-1);
  if (last && raw[last.end - 1] !== COMMA) {
    const comma = skipSpaceBack(raw, last.start);
    if (raw[comma] === COMMA) edits[edits.length - 1] = { ...last, start: comma };
  }
  return edits;
}

/** A top-level member set or taken out; for the few upstreams that need it, hence a scan of its own. */
function withMember(body: Buffer, { name, json }: MemberOverride): Buffer {
  const { open, spans } = scanTrustedObject(body, [name]);
  const [start = -1, end = -1] = spans;
  if (json !== null) {
    if (start !== -1) return applied(body, [{ start, end, text: json }]);
    const isEmpty = body[skipSpace(body, open + 1)] === 0x7d;
    const member = `${JSON.stringify(name)}:${json}${isEmpty ? '' : ','}`;
    return applied(body, [{ start: open + 1, end: open + 1, text: member }]);
  }
  if (start === -1) return body;
  const keyStart = startOfKey(body, start);
  const behind = skipSpace(body, end);
  if (body[behind] === COMMA) return applied(body, [{ start: keyStart, end: behind + 1, text: '' }]);
  const comma = skipSpaceBack(body, keyStart);
  return applied(body, [{ start: body[comma] === COMMA ? comma : keyStart, end, text: '' }]);
}

/** Offset of the quote that opens the key of the value that starts here. */
function startOfKey(raw: Buffer, valueStart: number): number {
  const colon = skipSpaceBack(raw, valueStart);
  let at = skipSpaceBack(raw, colon) - 1;
  for (; at > 0; at--) {
    if (raw[at] !== QUOTE) continue;
    let backslashes = 0;
    while (raw[at - 1 - backslashes] === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) break;
  }
  return at;
}

function skipSpace(raw: Buffer, start: number): number {
  let at = start;
  while (isSpace(raw[at])) at++;
  return at;
}

/** Offset of the last byte before `end` that is no space. */
function skipSpaceBack(raw: Buffer, end: number): number {
  let at = end - 1;
  while (isSpace(raw[at])) at--;
  return at;
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
