import fc from 'fast-check';
import { type CsvCell, csvLine } from './csv.js';

/** RFC 4180, read by the letter. */
function cellsOf(line: string): string[] {
  expect(line.endsWith('\r\n')).toBe(true);
  const cells: string[] = [];
  const cell = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n$)/gy;
  for (const [, quoted, bare = ''] of line.matchAll(cell)) cells.push(quoted?.replaceAll('""', '"') ?? bare);
  return cells;
}

describe('a line of CSV', () => {
  it.each<[CsvCell, string]>([
    [null, ''],
    ['', ''],
    ['gpt-5.5', 'gpt-5.5'],
    [-1.5, '-1.5'],
    [0, '0'],
    [true, 'true'],
    ['0.000000001', '0.000000001'],
    ['a,b', '"a,b"'],
    ['say "hi"', '"say ""hi"""'],
    ['two\nlines', '"two\nlines"'],
    ['=1+1', "'=1+1"],
    ['+1', "'+1"],
    ['-1', "'-1"],
    ['@SUM(A1)', "'@SUM(A1)"],
    ['\t=1', "'\t=1"],
    ['\r=1', '"\'\r=1"'],
    ['\n=1', '"\'\n=1"'],
    ['=HYPERLINK("http://x","y")', '"\'=HYPERLINK(""http://x"",""y"")"'],
    ['a=1', 'a=1'],
  ])('holds %j as %j', (cell, text) => {
    expect(csvLine([cell])).toBe(`${text}\r\n`);
  });

  it('is read back cell by cell as what was written, but for the apostrophe before what would be a formula', () => {
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: fc.constantFrom(...'=+-@",\r\n\t\'a ') }));
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 6 }), (cells) => {
        const read = cellsOf(csvLine(cells));
        expect(read.map((cell) => cell.replace(/^'(?=[=+\-@\t\r\n])/, ''))).toEqual(
          cells.map((cell) => cell.replace(/^'(?=[=+\-@\t\r\n])/, '')),
        );
        for (const cell of read) expect(cell).not.toMatch(/^[=+\-@\t\r\n]/);
      }),
    );
  });
});
