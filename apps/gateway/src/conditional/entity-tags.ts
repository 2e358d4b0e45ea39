/** What a client names in `If-Match` or `If-None-Match`: tags, or whatever there is. */
export type TagList = '*' | readonly EntityTag[];

export interface EntityTag {
  readonly isWeak: boolean;
  /** Without its quotes. */
  readonly value: string;
}

/** A member of a list (RFC 9110 §8.8.3), with the comma behind it; members may be empty (§5.6.1). */
const MEMBER = /[ \t]*(?:(W\/)?"([\x21\x23-\x7e\x80-\xff]*)")?[ \t]*(?:,|$)/y;

/** The tag of a version of an object. */
export function tagOf(version: number): string {
  return `"${version}"`;
}

/** null when it is no list of tags. */
export function parseTagList(header: string): TagList | null {
  if (header.trim() === '*') return '*';
  const tags: EntityTag[] = [];
  MEMBER.lastIndex = 0;
  while (MEMBER.lastIndex < header.length) {
    const member = MEMBER.exec(header);
    if (!member) return null;
    const [, weak, value] = member;
    if (value !== undefined) tags.push({ isWeak: weak !== undefined, value });
  }
  return tags.length === 0 ? null : tags;
}

/** The versions that a change may be based on; null: any. A weak tag is none (RFC 9110 §13.1.1), nor is one that is not ours. */
export function versionsIn(list: TagList): readonly number[] | null {
  if (list === '*') return null;
  return list
    .filter(({ isWeak, value }) => !isWeak && /^(?:0|[1-9]\d{0,9})$/.test(value))
    .map(({ value }) => Number(value));
}

/** Whether the client has the version already. A tag that has become weak on its way says so, too (RFC 9110 §13.1.2). */
export function knows(list: TagList, version: number): boolean {
  return list === '*' || list.some(({ value }) => value === String(version));
}
