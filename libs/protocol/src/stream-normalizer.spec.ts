import * as fc from 'fast-check';
import { StreamNormalizer } from './stream-normalizer.js';

const STREAM = 'event: a\ndata: {"text":"ä\u2028€"}\n\n: comment\n\ndata: 2\n\n';

function normalized(bytes: Buffer, cuts: readonly number[]): string {
  const normalizer = new StreamNormalizer();
  const out: Buffer[] = [];
  const offsets = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].toSorted((a, b) => a - b);
  let at = 0;
  for (const offset of offsets) {
    out.push(normalizer.push(bytes.subarray(at, offset)));
    at = offset;
  }
  out.push(normalizer.end());
  return Buffer.concat(out).toString();
}

describe('StreamNormalizer', () => {
  const cuts = fc.array(fc.nat({ max: 200 }), { maxLength: 12 });

  it.each([
    ['LF', STREAM, STREAM],
    ['CRLF', STREAM.replaceAll('\n', '\r\n'), STREAM.replaceAll('\n', '\r\n')],
    ['lone CR', STREAM.replaceAll('\n', '\r'), STREAM],
    ['a byte order mark', `\uFEFF${STREAM}`, STREAM],
    ['a byte order mark and lone CR', `\uFEFF${STREAM.replaceAll('\n', '\r')}`, STREAM],
    ['nothing but a CR', '\r', '\n'],
    ['no line end', 'data: 1', 'data: 1'],
  ])('gives the same for %s, however it is split', (_, text, expected) => {
    fc.assert(fc.property(cuts, (at) => expect(normalized(Buffer.from(text), at)).toBe(expected)));
  });
});
