import { isDeepStrictEqual } from 'node:util';
import { CONFIG_LISTS, type ConfigKind, type ConfigList, type ConfigStep } from '@app/contract';
import { UpstreamCredentials } from '@app/upstreams';

/** What operators set of an object, by the file's names. Secrets are only there as fingerprints. */
export type Fields = Readonly<Record<string, unknown>>;
export type Change = ConfigStep['changes'][number];

/** What an object of a list is called alone. */
export const KIND_OF: Readonly<Record<ConfigList, Exclude<ConfigKind, 'settings'>>> = {
  upstreams: 'upstream',
  models: 'model',
  groups: 'group',
  keys: 'key',
  webhooks: 'webhook',
};
export const LISTS = Object.keys(CONFIG_LISTS) as ConfigList[];

/** What an object has that says nothing but what it must. */
const LEAST: Readonly<Record<ConfigList, object>> = {
  upstreams: { name: '-', base_url: 'https://-' },
  models: { name: '-' },
  groups: { name: '-' },
  keys: { name: '-', group: '-' },
  webhooks: { name: '-', url: 'https://-' },
};

/** How a secret is shown and compared. */
export function fingerprintOf(secret: string): string {
  return markOf(UpstreamCredentials.fingerprint(secret));
}

/** The same of a fingerprint that is stored. */
export function markOf(fingerprint: string): string {
  return `sha256:${fingerprint}`;
}

/** Only what a file can say of an object of this list, in the order in which files say it. */
export function fieldsOf(list: ConfigList, shown: Fields): Fields {
  const names = Object.keys(CONFIG_LISTS[list].shape).filter((name) => shown[name] !== undefined);
  return Object.fromEntries(names.map((name) => [name, shown[name]]));
}

/** Without what would be the same if the file said nothing of it. */
export function withoutDefaults(list: ConfigList, fields: Fields): Fields {
  const least = LEAST[list] as Fields;
  const defaults = CONFIG_LISTS[list].parse(least) as Fields;
  return Object.fromEntries(
    Object.entries(fields).filter(
      ([name, value]) => name in least || !(name in defaults) || !isDeepStrictEqual(value, defaults[name]),
    ),
  );
}

/** What has to change for `before` to become `after`: nothing is said of fields that `after` does not have. */
export function changesBetween(before: Fields, after: Fields): Change[] {
  return Object.keys(after).flatMap((name) => changesAt(name, before[name], after[name]));
}

/** What a new object says of itself. */
export function changesOfNew(list: ConfigList, fields: Fields): Change[] {
  const { name: _name, ...rest } = withoutDefaults(list, fields);
  return Object.entries(rest).map(([path, after]) => ({ path, before: null, after: after as Change['after'] }));
}

function changesAt(path: string, before: unknown, after: unknown): Change[] {
  if (isDeepStrictEqual(before, after)) return [];
  if (isObject(before) && isObject(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return names.flatMap((name) => changesAt(`${path}.${name}`, before[name], after[name]));
  }
  if (Array.isArray(before) && Array.isArray(after) && before.length === after.length && after.some(isObject)) {
    return after.flatMap((item, index) => changesAt(`${path}.${index}`, before[index], item));
  }
  return [{ path, before: (before ?? null) as Change['before'], after: (after ?? null) as Change['after'] }];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
