import { Readable } from 'node:stream';
import { Request } from '@app/contract';
import type { RequestRow } from '@app/journal';
import { type CsvCell, csvLine } from './csv.js';
import { toRequest } from './shown-request.js';

/** How an export is written. */
export interface ExportFormat {
  readonly contentType: string;
  readonly head: string;
  readonly line: (request: Request) => string;
}

const COLUMNS = Object.keys(Request.shape) as (keyof Request)[];
/** Bytes that are ready for a client which is slow to take them. */
const READY_BYTES = 64 * 1024;

export const EXPORT_FORMATS: Readonly<Record<'csv' | 'ndjson', ExportFormat>> = {
  csv: {
    contentType: 'text/csv; charset=utf-8; header=present',
    head: csvLine(COLUMNS),
    line: (request) => csvLine(COLUMNS.map((column) => toCell(request[column]))),
  },
  ndjson: {
    contentType: 'application/x-ndjson',
    head: '',
    line: (request) => `${JSON.stringify(request)}\n`,
  },
};

/**
 * Rows as a stream: the next ones are asked for when a client has taken what there is, and no more when it has left. An error
 * breaks the stream off, so that nobody takes a part for the whole.
 *
 * @throws whatever the first question fails with, before anything is written
 */
export async function exportStream(chunks: AsyncGenerator<RequestRow[]>, format: ExportFormat): Promise<Readable> {
  const first = await chunks.next();
  async function* texts() {
    try {
      yield format.head;
      if (first.done !== true) yield toText(first.value, format);
      for await (const rows of chunks) yield toText(rows, format);
    } finally {
      await chunks.return(undefined);
    }
  }
  return Readable.from(texts(), { objectMode: false, highWaterMark: READY_BYTES });
}

function toText(rows: readonly RequestRow[], { line }: ExportFormat): string {
  return rows.map((row) => line(toRequest(row))).join('');
}

/** What has parts is one cell of JSON. */
function toCell(value: Request[keyof Request]): CsvCell {
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : value;
}
