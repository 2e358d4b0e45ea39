import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { RecordBuffer, RecordKind } from './segment-format.js';
import { SegmentReader } from './segment-reader.js';

const folder = mkdtempSync(join(tmpdir(), 'tollgate-segments-'));
const path = join(folder, 'segment.log');
afterAll(() => rmSync(folder, { recursive: true }));

function segmentOf(texts: readonly string[]): Buffer {
  const buffer = new RecordBuffer();
  for (const text of texts) buffer.add(RecordKind.closed, text);
  return Buffer.from(buffer.view());
}

function readFrom(bytes: Buffer, bytesEnd = bytes.length) {
  writeFileSync(path, bytes);
  const reader = new SegmentReader(path, 0);
  const texts: string[] = [];
  while (reader.next(bytesEnd) !== null) texts.push(reader.text());
  reader.close();
  return { texts, fault: reader.fault };
}

/** Texts as rows are, and some larger than what is read at once. */
const anyTexts = fc.array(
  fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }).map((text) => text.toWellFormed()),
    fc.nat(300_000).map((length) => 'x'.repeat(length)),
  ),
  { maxLength: 12 },
);

describe('a segment', () => {
  it('gives back whatever was appended', () => {
    fc.assert(
      fc.property(anyTexts, (texts) => {
        expect(readFrom(segmentOf(texts))).toEqual({ texts, fault: null });
      }),
      { numRuns: 60 },
    );
  });

  it('cut at any byte of its last record gives back all others', () => {
    const texts = ['first', 'zwölf', 'the last record, which is cut'];
    const whole = segmentOf(texts);
    const start = segmentOf(texts.slice(0, 2)).length;
    expect(readFrom(whole.subarray(0, start))).toEqual({ texts: texts.slice(0, 2), fault: null });
    for (let end = start + 1; end < whole.length; end++) {
      expect(readFrom(whole.subarray(0, end))).toEqual({ texts: texts.slice(0, 2), fault: 'torn' });
    }
  });

  it('with a flipped bit gives back what stands before it, and nothing that was not written', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ maxLength: 40 }), { minLength: 1, maxLength: 8 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (texts, where) => {
          const bytes = segmentOf(texts);
          const bit = Math.floor(where * bytes.length * 8);
          bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
          const isBefore = (count: number) => segmentOf(texts.slice(0, count)).length <= bit >> 3;
          const intact = texts.filter((_, index) => isBefore(index + 1));
          const read = readFrom(bytes);
          expect(read.texts).toEqual(intact);
          expect(read.fault).not.toBeNull();
        },
      ),
      { numRuns: 300 },
    );
  });

  it('is read no further than it is known to be written', () => {
    const end = segmentOf(['one', 'two']).length;
    expect(readFrom(segmentOf(['one', 'two', 'three']), end)).toEqual({ texts: ['one', 'two'], fault: null });
  });
});
