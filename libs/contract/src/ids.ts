import { z } from 'zod';

const PREFIXES = {
  key: 'key',
  group: 'grp',
  model: 'mdl',
  upstream: 'ups',
  request: 'req',
  webhook: 'whk',
  alert: 'alr',
  delivery: 'dlv',
  price: 'prc',
  entry: 'led',
  erasure: 'ers',
  operator: 'opr',
  admin_token: 'atk',
  audit: 'aud',
} as const;

export type IdKind = keyof typeof PREFIXES;

/** A stored UUID as the API shows it: its kind and 32 hex digits, e.g. `key_0193…`. Ids of one kind sort by time. */
export function toPublicId(kind: IdKind, uuid: string): string {
  return `${PREFIXES[kind]}_${uuid.replaceAll('-', '')}`;
}

/** The UUID of an id as the API shows it; null when the text is none of that kind. */
export function fromPublicId(kind: IdKind, text: string): string | null {
  const match = new RegExp(
    `^${PREFIXES[kind]}_([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})$`,
  ).exec(text);
  return match ? match.slice(1).join('-') : null;
}

/** The same for what may be of no kind that has public ids: null then. */
export function publicIdOf(kind: string, uuid: string): string | null {
  return Object.hasOwn(PREFIXES, kind) ? toPublicId(kind as IdKind, uuid) : null;
}

/** Schema of an incoming id of whatever kind: gives the UUID. */
export function anyId() {
  const uuidOf = (id: string) =>
    (Object.keys(PREFIXES) as IdKind[]).map((kind) => fromPublicId(kind, id)).find((uuid) => uuid !== null);
  return z
    .string()
    .refine((id) => uuidOf(id) !== undefined, { error: 'must be a public id, such as key_0193…' })
    .transform((id) => uuidOf(id) ?? '');
}

/** Schema of an incoming id: checks its form and gives the UUID. */
export function idOf(kind: IdKind) {
  return z
    .string()
    .refine((text) => fromPublicId(kind, text) !== null, {
      error: `must be the id of a ${kind}, such as ${PREFIXES[kind]}_0193…`,
    })
    .transform((text) => fromPublicId(kind, text) ?? '')
    .meta({ description: `Id of a ${kind}: ${PREFIXES[kind]}_ and 32 hex digits` });
}
