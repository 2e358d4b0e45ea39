import type { IncomingMessage } from 'node:http';
import { errors, type GatewayError } from '@app/protocol';

/** Fields that say whose request it is, where it goes or where it ends: of two, two readers may believe different ones. */
const SINGLE = new Set(['host', 'authorization', 'content-type', 'content-length', 'transfer-encoding']);
const LENGTHS = new Set([...SINGLE].map(({ length }) => length));

/**
 * What is wrong with a request's head, of which the parser has already refused the worst. Node keeps the first of two `host`
 * or `authorization` fields and says nothing: only the raw list tells.
 */
export function headRefusal({ rawHeaders, headers, httpVersion }: IncomingMessage): GatewayError | null {
  let seen = ' ';
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const raw = rawHeaders[i] as string;
    if (!LENGTHS.has(raw.length)) continue;
    const name = raw.toLowerCase();
    if (!SINGLE.has(name)) continue;
    if (seen.includes(` ${name} `)) return errors.duplicateHeader(name);
    seen += `${name} `;
  }
  if (headers.host === undefined && httpVersion === '1.1') return errors.missingHost();
  return headers.expect === undefined ? null : errors.expectationFailed();
}
