import { scanTrustedObject } from './json-scan.js';

/**
 * The JSON of top-level members of an object, as it stands in its bytes, by their names; those that are absent are left out.
 *
 * @throws JsonSyntaxError when it is not an object
 */
export function memberTexts(raw: Buffer, names: readonly string[]): Record<string, string> {
  const { spans } = scanTrustedObject(raw, names);
  const texts: Record<string, string> = {};
  for (const [index, name] of names.entries()) {
    const start = spans[index * 2] ?? -1;
    if (start !== -1) texts[name] = raw.toString('utf8', start, spans[index * 2 + 1]);
  }
  return texts;
}
