import { stringify } from 'yaml';

/** A configuration as a file for people: the same text for the same document, always. */
export function configText(document: object): string {
  return stringify(document, { lineWidth: 0, aliasDuplicateObjects: false });
}
