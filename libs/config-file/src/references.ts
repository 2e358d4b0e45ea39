import { KEEP, REFERENCE } from '@app/contract';

export type Environment = Readonly<Record<string, string | undefined>>;

interface Resolved {
  readonly value: unknown;
  /** References that lead nowhere. */
  readonly unset: { path: string; variable: string }[];
  /** Paths of secrets that are no references. */
  readonly literal: string[];
}

/**
 * Where references are resolved: any other text is meant as it is written. An address may refer, too, as it differs from one
 * installation to the next.
 */
const PLACES: readonly { path: RegExp; isSecret: (text: string) => boolean }[] = [
  { path: /^upstreams\.\d+\.credential$/, isSecret: () => true },
  { path: /^upstreams\.\d+\.extra_headers\../, isSecret: () => true },
  { path: /^upstreams\.\d+\.http_proxy$/, isSecret: (url) => URL.canParse(url) && new URL(url).password !== '' },
  { path: /^upstreams\.\d+\.base_url$/, isSecret: () => false },
  { path: /^keys\.\d+\.secret$/, isSecret: () => true },
  { path: /^webhooks\.\d+\.secret$/, isSecret: () => true },
  { path: /^webhooks\.\d+\.url$/, isSecret: () => false },
];

/** Puts variables of the environment in the place of references such as `${NAME}`. */
export function resolveSecrets(document: unknown, env: Environment): Resolved {
  const unset: Resolved['unset'] = [];
  const literal: string[] = [];
  const value = mapTexts(document, '', (path, text) => {
    const place = PLACES.find((one) => one.path.test(path));
    if (!place || text === KEEP) return text;
    if (!REFERENCE.test(text)) {
      if (place.isSecret(text)) literal.push(path);
      return text;
    }
    return text.replaceAll(new RegExp(REFERENCE, 'g'), (_, variable: string) => {
      const given = env[variable];
      if (given === undefined || given === '') unset.push({ path, variable });
      return given ?? '';
    });
  });
  return { value, unset, literal };
}

/** Whether a place that takes references holds one that nobody has resolved. */
export function unresolvedIn(document: unknown): string[] {
  const found: string[] = [];
  mapTexts(document, '', (path, text) => {
    if (REFERENCE.test(text) && PLACES.some((one) => one.path.test(path))) found.push(path);
    return text;
  });
  return found;
}

function mapTexts(value: unknown, path: string, map: (path: string, text: string) => string): unknown {
  const inner = (name: string) => (path === '' ? name : `${path}.${name}`);
  if (typeof value === 'string') return map(path, value);
  if (Array.isArray(value)) return value.map((item, index) => mapTexts(item, inner(String(index)), map));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, mapTexts(item, inner(name), map)]));
}
