import { Injectable, Logger } from '@nestjs/common';
import { Clock } from '@app/runtime';
import { openedText, settledText } from './journal-format.js';
import { type JournaledRow, JournalReader } from './journal-reader.js';
import { type JournalOptions, JournalWriter } from './journal-writer.js';
import type { RecordKeeper, RequestRecord } from './request-record.js';
import { RowText } from './row-text.js';
import { RecordKind } from './segment-format.js';
import type { Segment } from './segment.js';

/** What the journal has of a request that runs. */
class HeldRecord {
  readonly row = new RowText();
  /** Has its newest record. */
  segment: Segment | null = null;
  /** Whether that one tells the end. */
  isEndWritten = false;
}

/**
 * The local journal: what is known of each request is in a file before an upstream is asked, and again before the client sees
 * the end of its answer. What a process has left there, killed or not, the next one puts into the log.
 */
@Injectable()
export class RequestJournal implements RecordKeeper {
  private readonly logger = new Logger('Journal');
  private readonly writer: JournalWriter;
  private readonly reader: JournalReader;
  /** Whose newest records are on their way into a segment. */
  private group: RequestRecord[] = [];
  /** Writes that had failed before. */
  private groupFailures = 0;
  /** Since start, for metrics. */
  rowsLost = 0;

  constructor(
    options: JournalOptions,
    private readonly clock: Clock,
  ) {
    this.writer = new JournalWriter(options, (problem) =>
      this.logger.error(`the journal cannot be written, new requests are refused: ${problem}`),
    );
    this.reader = new JournalReader(this.writer, (problem, rowsLost) => this.onDamage(problem, rowsLost));
  }

  /** @throws Error when its folder cannot be made or read */
  open(): void {
    this.writer.open();
    this.reader.rewind();
  }

  get bytes(): number {
    return this.writer.bytes;
  }

  /** Rows will soon need all the room there is. */
  get isFillingUp(): boolean {
    return this.writer.isFillingUp;
  }

  /** Why no further request may begin. */
  get refusal(): 'full' | 'unwritable' | null {
    return this.writer.refusal;
  }

  /** Rows that are neither in PostgreSQL nor in memory, as far as it is known. */
  get rowsUnread(): number {
    return this.writer.segments.reduce((sum, { rowsUnread }) => sum + rowsUnread, 0);
  }

  /** Rows are to be read back before `close` gives them again. */
  get isBehind(): boolean {
    return this.reader.isBehind;
  }

  get crashRows(): number {
    return this.reader.crashRows;
  }

  get segmentsDamaged(): number {
    return this.reader.segmentsDamaged;
  }

  noteAsked(record: RequestRecord): void {
    this.appendAsked(record, record.writeWaiter === null);
  }

  noteEnding(record: RequestRecord): void {
    // Whoever has asked no upstream has used nothing: its row comes with its close.
    if (record.held === null && record.attempts.length === 0) return;
    this.appendEnding(record, record.writeWaiter === null);
  }

  /** Takes a closed record. Its row, to be told of by `done`; null when it is to be read back. */
  close(record: RequestRecord): JournaledRow | null {
    const { row, isEndWritten, segment: heldIn } = heldOf(record);
    record.held = null;
    const isWritten = row.update(record, record.status, record.settlement) && isEndWritten;
    const text = row.whole(record);
    const { isBehind } = this.reader;
    // Nearly all rows are in the journal already, but for the last bytes of the answer: that is good enough after a crash.
    const segment = isWritten && !isBehind ? heldIn : this.writer.append(RecordKind.closed, text, isBehind);
    heldIn?.running.delete(record);
    if (segment === null) return { text, segment };
    segment.rowsHeld++;
    if (!isBehind) return { text, segment };
    segment.rowsUnread++;
    return null;
  }

  /** Rows of records that close from now on are not given, but read back later. */
  fallBehind(): void {
    this.reader.fallBehind();
  }

  /** The next rows that are only in the journal. */
  read(rowsMax: number): JournaledRow[] {
    return this.reader.read(rowsMax);
  }

  /** These rows need the journal no more. */
  done(rows: readonly JournaledRow[]): void {
    for (const { segment } of rows) if (segment) segment.rowsHeld--;
  }

  /** Called every second. */
  tick(): void {
    this.carryOn();
    this.writer.tick();
  }

  stop(): void {
    this.writer.close();
  }

  /** A segment whose rows are in PostgreSQL is not kept for the sake of some requests that go on: they are noted once more. */
  private carryOn(): void {
    const { writer } = this;
    for (const { running, rowsHeld, isKnown, number } of writer.segments) {
      if (running.size === 0 || rowsHeld > 0 || !isKnown || number === writer.current?.number) continue;
      for (const record of running) {
        if (record.isEnding) this.appendEnding(record, true);
        else this.appendAsked(record, true);
      }
    }
  }

  private appendAsked(record: RequestRecord, isAtOnce: boolean): void {
    const held = heldOf(record);
    const segment = this.writer.append(RecordKind.opened, openedText(record, held.row), isAtOnce);
    this.move(record, held, segment);
    if (!isAtOnce && segment) this.groupWith(record);
  }

  private appendEnding(record: RequestRecord, isAtOnce: boolean): void {
    const held = heldOf(record);
    record.durationMs = this.clock.monotonic() - record.startedMonotonicMs;
    const segment = this.writer.append(RecordKind.settled, settledText(record, held.row), isAtOnce);
    held.isEndWritten = segment !== null;
    this.move(record, held, segment);
    if (!isAtOnce && segment) this.groupWith(record);
  }

  /** A write costs more than what is written: those of one turn of the event loop share it. */
  private groupWith(record: RequestRecord): void {
    record.isBeingWritten = true;
    if (this.group.push(record) > 1) return;
    this.groupFailures = this.writer.failures;
    setImmediate(endGroup, this);
  }

  /** Called once a turn: those who wait for their records go on, be they written or not. */
  endGroup(): void {
    const { group, writer } = this;
    this.group = [];
    writer.flush();
    const isWritten = writer.failures === this.groupFailures;
    for (const record of group) {
      const held = record.held as HeldRecord | null;
      if (!isWritten && held) held.isEndWritten = false;
      record.isBeingWritten = false;
    }
    for (const { writeWaiter } of group) writeWaiter?.onWritten();
  }

  /** One that has no room for a record any more keeps what it has. */
  private move(record: RequestRecord, held: HeldRecord, to: Segment | null): void {
    const from = held.segment;
    if (to === null || to === from) return;
    from?.running.delete(record);
    to.running.add(record);
    held.segment = to;
  }

  private onDamage(problem: string, rowsLost: number): void {
    this.rowsLost += rowsLost;
    this.logger.warn(`what follows in a segment is passed over: ${problem}`);
  }
}

function endGroup(journal: RequestJournal): void {
  journal.endGroup();
}

function heldOf(record: RequestRecord): HeldRecord {
  return (record.held ??= new HeldRecord()) as HeldRecord;
}
