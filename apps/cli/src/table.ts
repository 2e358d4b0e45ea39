/** A column's head, and what stands in it for a row. */
export type Column<T> = readonly [head: string, cell: (row: T) => string | number | boolean | null];

const GAP = '  ';

/** Rows in columns, as wide as they must be; what is not there is a dash. */
export function table<T>(rows: readonly T[], columns: readonly Column<T>[]): string {
  const cells = [
    columns.map(([head]) => head),
    ...rows.map((row) => columns.map(([, cell]) => printable(cell(row) ?? '-'))),
  ];
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => [...(line[index] ?? '')].length)));
  return cells
    .map((line) =>
      line
        .map((text, index) => text + ' '.repeat((widths[index] ?? 0) - [...text].length))
        .join(GAP)
        .trimEnd(),
    )
    .join('\n');
}

/** What others have named must not move the cursor of whoever reads it. */
export function printable(value: string | number | boolean): string {
  const text = String(value);
  return text === '' ? '-' : text.replaceAll(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, '\ufffd');
}
