import { close, closeSync, fdatasync, fdatasyncSync, mkdirSync, openSync, rmSync, unlink, writeSync } from 'node:fs';
import { HEADER } from './journal-format.js';
import { inheritedSegments, Segment } from './segment.js';
import { RecordBuffer, RecordKind } from './segment-format.js';

export interface JournalOptions {
  readonly folder: string;
  /** Of all segments together. */
  readonly bytesMax: number;
}

const SEGMENT_BYTES = 8 * 1024 * 1024;
/** Segments are smaller where few of them would fit. */
const SEGMENTS_MIN = 8;
/** From here on no request may begin: the rest is for those that run, and for the rows of those that are refused. */
const REFUSING_SHARE = 7 / 8;
/** From here on there is room for rows only. */
const FILLING_SHARE = 1 / 2;
/** What is lost at most when the machine itself loses power. */
const SYNC_DELAY_MS = 100;

/** Appends records to the journal's files, and bounds them. A disk that takes nothing is a state, never an exception. */
export class JournalWriter {
  /** In order; the last may be the one that is written. */
  segments: Segment[] = [];
  /** Of all segments. */
  bytes = 0;
  /** Writes that failed, and whose records are in no segment. */
  failures = 0;
  /** Why nothing can be written at the moment. */
  problem: string | null = 'not opened';
  current: Segment | null = null;
  private file = -1;
  private nextNumber = 1;
  private readonly buffer = new RecordBuffer();
  private isFlushDue = false;
  private syncTimer: NodeJS.Timeout | null = null;
  private readonly segmentBytesMax: number;

  constructor(
    private readonly options: JournalOptions,
    private readonly onProblem: (problem: string) => void,
  ) {
    this.segmentBytesMax = Math.min(SEGMENT_BYTES, Math.floor(options.bytesMax / SEGMENTS_MIN));
  }

  /** @throws Error when the folder cannot be made or read */
  open(): void {
    const { folder } = this.options;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.segments = inheritedSegments(folder);
    for (const { bytes } of this.segments) this.bytes += bytes;
    this.nextNumber = (this.segments.at(-1)?.number ?? 0) + 1;
    this.begin();
  }

  /** Why no further request may begin. */
  get refusal(): 'full' | 'unwritable' | null {
    if (this.bytes >= this.options.bytesMax * REFUSING_SHARE) return 'full';
    return this.current === null ? 'unwritable' : null;
  }

  /** More than half of the room is taken: what can be done without is to be let go. */
  get isFillingUp(): boolean {
    return this.bytes >= this.options.bytesMax * FILLING_SHARE;
  }

  /** Where the next record will be. */
  get nextPlace(): { number: number; offset: number } {
    this.flush();
    return this.current
      ? { number: this.current.number, offset: this.current.bytes }
      : { number: this.nextNumber, offset: 0 };
  }

  /**
   * Appends a record: at once, or with others of the same turn of the event loop. The segment that has it; null when there is
   * no room, or nothing can be written.
   */
  append(kind: number, text: string, isAtOnce: boolean): Segment | null {
    const { buffer, options } = this;
    if (this.current && this.current.bytes + buffer.length >= this.segmentBytesMax) this.rollOver();
    const { current } = this;
    if (current === null || this.bytes + buffer.length >= options.bytesMax) return null;
    buffer.add(kind, text);
    if (isAtOnce) return this.flush() ? current : null;
    if (!this.isFlushDue) {
      this.isFlushDue = true;
      setImmediate(flushDue, this);
    }
    return current;
  }

  /** Writes what has been appended; false when that failed, and nothing of it is in the journal. */
  flush(): boolean {
    this.isFlushDue = false;
    const { buffer, current } = this;
    if (buffer.length === 0) return true;
    if (current === null) return false;
    const bytes = buffer.view();
    try {
      let written = writeSync(this.file, bytes, 0, bytes.length, null);
      while (written < bytes.length) written += writeSync(this.file, bytes, written, bytes.length - written, null);
    } catch (error) {
      this.fail(error as Error);
      return false;
    }
    current.bytes += bytes.length;
    this.bytes += bytes.length;
    buffer.clear();
    this.syncTimer ??= setTimeout(syncDue, SYNC_DELAY_MS, this).unref();
    return true;
  }

  /** Called every second: tries again what failed, and lets go of segments that nothing needs. */
  tick(): void {
    if (this.current === null) this.begin();
    this.segments = this.segments.filter(
      (segment) => segment === this.current || segment.isNeeded || this.drop(segment),
    );
  }

  /** Makes everything safe, and leaves only segments that are needed. */
  close(): void {
    this.flush();
    if (this.syncTimer) clearTimeout(this.syncTimer);
    if (this.current) {
      fdatasyncSync(this.file);
      closeSync(this.file);
    }
    this.current = null;
    this.problem = 'closed';
    for (const { isNeeded, path } of this.segments) if (!isNeeded) rmSync(path, { force: true });
  }

  /** To disk, in the background: what is written survives the process's end without it, but not the machine's. */
  sync(): void {
    this.syncTimer = null;
    const { file, current } = this;
    if (current === null) return;
    fdatasync(file, (error) => {
      if (error && file === this.file) this.fail(error);
    });
  }

  private rollOver(): void {
    if (!this.flush()) return;
    const { file } = this;
    this.current = null;
    this.file = -1;
    fdatasync(file, () => close(file));
    this.begin();
  }

  private begin(): void {
    if (this.bytes >= this.options.bytesMax) return;
    const segment = new Segment(this.options.folder, this.nextNumber, 0, false);
    try {
      this.file = openSync(segment.path, 'ax', 0o600);
    } catch (error) {
      return this.report(error as Error);
    }
    this.nextNumber++;
    this.segments.push(segment);
    this.current = segment;
    this.buffer.add(RecordKind.header, HEADER);
    if (this.flush()) this.problem = null;
  }

  /** What was written of the last records is a torn tail: whatever comes next goes into another segment. */
  private fail(error: Error): void {
    const { file } = this;
    this.failures++;
    this.buffer.clear();
    this.current = null;
    this.file = -1;
    close(file);
    this.report(error);
  }

  private report(error: Error): void {
    if (this.problem !== error.message) this.onProblem(error.message);
    this.problem = error.message;
  }

  private drop(segment: Segment): false {
    this.bytes -= segment.bytes;
    unlink(segment.path, ignore);
    return false;
  }
}

function flushDue(writer: JournalWriter): void {
  writer.flush();
}

function syncDue(writer: JournalWriter): void {
  writer.sync();
}

function ignore(): void {}
