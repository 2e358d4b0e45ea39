import { crashRowText, HEADER, idIn, readHeader, rowTextFrom, type SegmentHeader } from './journal-format.js';
import type { JournalWriter } from './journal-writer.js';
import { isSame } from './row-text.js';
import type { Segment } from './segment.js';
import { RecordKind } from './segment-format.js';
import { SegmentReader } from './segment-reader.js';

/** A row on its way into PostgreSQL, and the segment that holds it until it is there; null: it is in memory only. */
export interface JournaledRow {
  readonly text: string;
  readonly segment: Segment | null;
}

/** A request of a process before this one of which no row has been read yet. */
interface Unfinished {
  readonly text: string;
  /** Of a record `opened`; null: the text is a row. */
  readonly openedColumns: readonly string[] | null;
  readonly segment: Segment;
}

const OWN_HEADER = JSON.parse(HEADER) as SegmentHeader;
const UNFINISHED_ROWS_AT_ONCE = 500;

/**
 * Reads rows back from the journal, in order: those that a process before this one has left, and those that memory has no
 * room for. Requests that such a process had not closed come last of its rows, as they stood when it died.
 */
export class JournalReader {
  /** Rows are to be read before memory has all of them again. */
  isBehind = false;
  /** Rows of requests that a process before this one had open when it died. */
  crashRows = 0;
  segmentsDamaged = 0;
  private diedAtMs = 0;
  private number = 0;
  private offset = 0;
  private segment: Segment | null = null;
  private reader: SegmentReader | null = null;
  private header = OWN_HEADER;
  private readonly unfinished = new Map<string, Unfinished>();

  constructor(
    private readonly writer: JournalWriter,
    private readonly onDamage: (problem: string, rowsLost: number) => void,
  ) {}

  /** Rows that are appended from now on are read back later. */
  fallBehind(): void {
    if (this.isBehind) return;
    this.isBehind = true;
    ({ number: this.number, offset: this.offset } = this.writer.nextPlace);
  }

  /** Begins with what a process before this one has left. */
  rewind(): void {
    const last = this.writer.segments.findLast(({ isInherited }) => isInherited);
    this.isBehind = last !== undefined;
    this.diedAtMs = last?.writtenAtMs ?? 0;
  }

  /** The next rows; fewer than asked for when memory may have them again from now on. */
  read(rowsMax: number): JournaledRow[] {
    const rows: JournaledRow[] = [];
    this.writer.flush();
    while (this.isBehind && rows.length < rowsMax) {
      const segment = this.segment ?? this.enter();
      if (this.unfinished.size > 0 && !segment?.isInherited) this.takeUnfinished(rows);
      else if (segment === null) this.isBehind = false;
      else if (!this.readRecord(segment, rows)) {
        if (segment === this.writer.current) this.isBehind = false;
        else this.leave(segment);
      }
    }
    if (!this.isBehind) this.closeReader();
    return rows;
  }

  private enter(): Segment | null {
    const segment = this.writer.segments.find(({ number }) => number >= this.number) ?? null;
    if (segment === null) return null;
    if (segment.number !== this.number) this.offset = 0;
    this.number = segment.number;
    this.header = OWN_HEADER;
    this.segment = segment;
    return segment;
  }

  /** False at the end of the segment. */
  private readRecord(segment: Segment, rows: JournaledRow[]): boolean {
    let kind: number | null;
    try {
      this.reader ??= new SegmentReader(segment.path, this.offset);
      kind = this.reader.next(segment.bytes);
    } catch (error) {
      this.noteDamage(segment, (error as Error).message);
      return false;
    }
    if (kind === null) {
      if (this.reader.fault) this.noteDamage(segment, `is ${this.reader.fault} at byte ${this.reader.offset}`);
      return false;
    }
    if (segment.isInherited) return this.readInherited(segment, kind, this.reader.text(), rows);
    // What else its own process has written is in memory, too.
    if (kind === RecordKind.closed) {
      segment.rowsUnread--;
      rows.push({ text: this.reader.text(), segment });
    }
    return true;
  }

  /** False for a segment that cannot be understood. */
  private readInherited(segment: Segment, kind: number, text: string, rows: JournaledRow[]): boolean {
    if (kind === RecordKind.header) {
      const header = readHeader(text);
      if (header) this.header = header;
      else {
        segment.isForeign = true;
        this.noteDamage(segment, 'is of another release, which can read it');
      }
      return header !== null;
    }
    const id = idIn(text);
    const earlier = this.unfinished.get(id);
    if (earlier) {
      earlier.segment.rowsHeld--;
      this.unfinished.delete(id);
    }
    segment.rowsHeld++;
    if (kind === RecordKind.closed) rows.push({ text: this.rowText(text), segment });
    else if (kind === RecordKind.settled)
      this.unfinished.set(id, { text: this.rowText(text), openedColumns: null, segment });
    else this.unfinished.set(id, { text, openedColumns: this.header.opened, segment });
    return true;
  }

  private rowText(text: string): string {
    return isSame(this.header.row, OWN_HEADER.row) ? text : rowTextFrom(text, this.header.row);
  }

  private takeUnfinished(rows: JournaledRow[]): void {
    let left = UNFINISHED_ROWS_AT_ONCE;
    for (const [id, { text, openedColumns, segment }] of this.unfinished) {
      if (left-- === 0) return;
      this.unfinished.delete(id);
      if (openedColumns) this.crashRows++;
      rows.push({ text: openedColumns ? crashRowText(text, openedColumns, this.diedAtMs) : text, segment });
    }
  }

  private leave(segment: Segment): void {
    this.closeReader();
    segment.isKnown = !segment.isForeign;
    this.segment = null;
    this.number = segment.number + 1;
    this.offset = 0;
  }

  private closeReader(): void {
    this.reader?.close();
    this.reader = null;
    this.segment = null;
  }

  /** What stands behind the damage is lost; a tail that a crash has torn was of no use to anybody. */
  private noteDamage(segment: Segment, problem: string): void {
    this.segmentsDamaged++;
    const rowsLost = segment.rowsUnread;
    segment.rowsHeld -= rowsLost;
    segment.rowsUnread = 0;
    this.onDamage(`${segment.path} ${problem}`, rowsLost);
  }
}
