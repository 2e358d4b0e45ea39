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
