import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { RequestRecord } from './request-record.js';

const NAME = /^(\d{10})\.log$/;

/** One file of the journal, and what still needs it. */
export class Segment {
  readonly path: string;
  /** Requests whose newest record is in it and whose rows are not: they have not ended. */
  readonly running = new Set<RequestRecord>();
  /** Rows in it, or to be made of it, that are not in PostgreSQL. */
  rowsHeld = 0;
  /** Those of them that are not in memory either: they have to be read back. */
  rowsUnread = 0;
  /** Whether `rowsHeld` and `running` tell all: what a process before this one has written must be read first. */
  isKnown = true;
  /** Of another release, in a format that this one cannot read: it stays. */
  isForeign = false;

  constructor(
    folder: string,
    readonly number: number,
    /** What is written. */
    public bytes: number,
    /** Written by a process before this one. */
    readonly isInherited: boolean,
  ) {
    this.path = join(folder, `${String(number).padStart(10, '0')}.log`);
    this.isKnown = !isInherited;
  }

  get isNeeded(): boolean {
    return !this.isKnown || this.rowsHeld > 0 || this.running.size > 0;
  }

  /** Time of the last record; wall clock. */
  get writtenAtMs(): number {
    return statSync(this.path).mtimeMs;
  }
}

/** The segments that a process before this one has left, in order. */
export function inheritedSegments(folder: string): Segment[] {
  return readdirSync(folder)
    .flatMap((name) => NAME.exec(name)?.[1] ?? [])
    .toSorted()
    .map((digits) => new Segment(folder, Number(digits), statSync(join(folder, `${digits}.log`)).size, true));
}
