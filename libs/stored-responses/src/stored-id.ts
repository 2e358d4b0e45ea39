/** What an id names: a response, or an item of its input or output. */
export type StoredIdKind = 'response' | 'item';

/** An id of one group. */
export interface StoredIdKey {
  readonly groupId: string;
  readonly kind: StoredIdKind;
  readonly id: string;
}

/** What is known of an id that a group owns. */
export interface StoredId {
  /** The upstream that holds it, and that alone can answer for it. */
  readonly upstreamId: string;
  /** As the client asked for it. */
  readonly model: string | null;
  /** Whether the response's usage is in no row of the log yet; null: its first answer still runs, or was lost. False is final. */
  readonly isUsagePending: boolean | null;
}

/** An id on its way into the database. */
export interface StoredIdRow extends StoredIdKey, StoredId {
  /** Not made by the upstream, but repeated by it: the client may have made it up. */
  readonly isEchoed: boolean;
}

const ID_LENGTH_MAX = 256;

/**
 * Whether a text can be an id at all. Loose, as servers differ in their ids, but nothing that could change the path of a URL
 * (the rest is percent-encoded there) or that a database refuses.
 */
export function isStorableId(id: string): boolean {
  if (id === '' || id === '.' || id === '..' || id.length > ID_LENGTH_MAX || !id.isWellFormed()) return false;
  for (let i = 0; i < id.length; i++) {
    const unit = id.charCodeAt(i);
    if (unit < 0x20 || (unit >= 0x7f && unit < 0xa0)) return false;
  }
  return true;
}

/** The key as one text, to hold it in a map. */
export function keyText({ groupId, kind, id }: StoredIdKey): string {
  return `${groupId} ${kind} ${id}`;
}

/** What results when an id is noted again: the newest counts, but usage that was accounted once stays so. */
export function mergedUsagePending(before: boolean | null, noted: boolean | null): boolean | null {
  return before === false ? false : (noted ?? before);
}
