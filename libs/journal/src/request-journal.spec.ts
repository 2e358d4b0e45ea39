import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Logger } from '@nestjs/common';
import { UNPRICED } from '@app/models';
import { Clock } from '@app/runtime';
import type { JournaledRow } from './journal-reader.js';
import { RequestJournal } from './request-journal.js';
import { RequestRecord } from './request-record.js';
import { type Cell, COLUMN_NAMES, type RequestRow } from './request-row.js';
import { RecordBuffer, RecordKind } from './segment-format.js';

const NEVER_SENT = { connection: null, sentMs: null, firstByteMs: null, headers: null };

const MB = 1024 * 1024;
const USAGE = { inputTokens: 7, cachedTokens: 1, cacheWriteTokens: 0, outputTokens: 3, reasoningTokens: 2 };
const SUMMARY = {
  id: 'resp_1',
  model: 'm-1',
  status: 'completed',
  usage: USAGE,
  errorCode: null,
  errorMessage: null,
} as Parameters<RequestRecord['settle']>[0];

let folder: string;
const opened: RequestJournal[] = [];

beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'tollgate-journal-')), 'journal');
  Logger.overrideLogger(false);
});
afterEach(() => {
  for (const journal of opened.splice(0)) journal.stop();
  rmSync(join(folder, '..'), { recursive: true, force: true });
});

/** A journal as a process finds it; the one before is not stopped: its process has been killed. */
function openJournal(bytesMax = 64 * MB): RequestJournal {
  const journal = new RequestJournal({ folder, bytesMax }, new Clock());
  journal.open();
  opened.push(journal);
  return journal;
}

function begin(journal: RequestJournal): RequestRecord {
  const record = new RequestRecord(Date.now(), performance.now(), 'POST /v1/responses');
  record.keeper = journal;
  record.kind = 'response';
  record.model = 'm';
  return record;
}

function ask(record: RequestRecord, inputTokens = 5): void {
  record.attempts = [{ upstreamId: '', upstreamName: 'u', status: 200, problem: null, durationMs: 1, ...NEVER_SENT }];
  record.noteAsked({ ...USAGE, inputTokens, outputTokens: 0 }, null);
}

function close(journal: RequestJournal, record = begin(journal)): JournaledRow | null {
  record.status = 200;
  record.close(performance.now());
  return journal.close(record);
}

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));
const files = () => readdirSync(folder).toSorted();
const rowOf = ({ text }: JournaledRow) =>
  Object.fromEntries(
    (JSON.parse(text) as Cell[]).map((cell, index) => [COLUMN_NAMES[index], cell]),
  ) as unknown as RequestRow;
const readAll = (journal: RequestJournal): JournaledRow[] => {
  const rows: JournaledRow[] = [];
  while (journal.isBehind) rows.push(...journal.read(10));
  return rows;
};

describe('what a killed process leaves', () => {
  it('are the rows of requests that had closed, in order', async () => {
    const before = openJournal();
    const rows = Array.from({ length: 25 }, () => close(before));
    await nextTurn();
    expect(readAll(openJournal()).map(({ text }) => text)).toEqual(rows.map((row) => row?.text));
  });

  it('is the row of a request whose end the client has seen, as it was then', () => {
    const record = begin(openJournal());
    ask(record);
    record.settle(SUMMARY, 'terminal_event', UNPRICED);
    const [row, ...others] = readAll(openJournal()).map(rowOf);
    expect(others).toEqual([]);
    expect(row).toMatchObject({
      id: record.id,
      outcome: 'ok',
      status: 200,
      settlement: 'unpriced',
      input_tokens: 7,
      output_tokens: 3,
      response_id: 'resp_1',
    });
  });

  it('is a row gateway_crash of a request that was open, with what it has probably used', () => {
    const record = begin(openJournal());
    record.keyName = 'ann';
    record.noteUpstream({ id: '0193b2a0-0000-7000-8000-000000000000', name: 'u' });
    ask(record, 5);
    const free = begin(record.keeper as RequestJournal);
    free.noteAsked(null, null);
    const journal = openJournal();
    const [row, freeRow] = readAll(journal).map(rowOf);
    const crash = { outcome: 'gateway_crash', status: 500, attempts: 1 };
    expect(row).toMatchObject({
      ...crash,
      id: record.id,
      key_name: 'ann',
      upstream_name: 'u',
      settlement: 'estimated',
    });
    expect(row).toMatchObject({ usage_source: 'estimate', input_tokens: 5, output_tokens: 0 });
    expect(freeRow).toMatchObject({ ...crash, id: free.id, settlement: 'interrupted', input_tokens: null });
    expect(journal.crashRows).toBe(2);
  });

  it('is gone when its rows are in PostgreSQL, and not before', async () => {
    const before = openJournal();
    close(before);
    ask(begin(before));
    await nextTurn();
    const [left] = files();
    const journal = openJournal();
    const rows = readAll(journal);
    journal.tick();
    expect(files()).toContain(left);
    journal.done(rows);
    journal.tick();
    await nextTurn();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(files()).not.toContain(left);
  });

  it('of another release is read by the names of its cells', () => {
    mkdirSync(folder, { recursive: true });
    const buffer = new RecordBuffer();
    const id = begin(new RequestJournal({ folder, bytesMax: MB }, new Clock())).id;
    buffer.add(
      RecordKind.header,
      JSON.stringify({ format: 1, opened: ['id'], row: ['id', 'gone', 'route', 'input_tokens'] }),
    );
    buffer.add(RecordKind.closed, JSON.stringify([id, 'x', 'POST /v1/responses', 9]));
    writeFileSync(join(folder, '0000000007.log'), buffer.view());
    const [row] = readAll(openJournal()).map(rowOf);
    expect(row).toMatchObject({ id, route: 'POST /v1/responses', input_tokens: 9, model: null });
    expect(row).not.toHaveProperty('gone');
    expect(files()).toEqual(['0000000007.log', '0000000008.log']);
  });

  it('in a format that this release does not know stays where it is', async () => {
    mkdirSync(folder, { recursive: true });
    const buffer = new RecordBuffer();
    buffer.add(RecordKind.header, JSON.stringify({ format: 2 }));
    buffer.add(RecordKind.closed, '{}');
    writeFileSync(join(folder, '0000000001.log'), buffer.view());
    const journal = openJournal();
    expect(readAll(journal)).toEqual([]);
    journal.tick();
    await nextTurn();
    expect(files()).toContain('0000000001.log');
    expect(journal.segmentsDamaged).toBe(1);
  });
});

describe('what those of one turn have to note', () => {
  const size = () => files().reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);

  it('is written together, and told to each of them behind that', async () => {
    const journal = openJournal();
    const before = size();
    const told: [string, number][] = [];
    const records = Array.from({ length: 5 }, () => begin(journal));
    for (const record of records) {
      record.writeWaiter = { onWritten: () => told.push([record.id, size()]) };
      ask(record);
      expect(record.isBeingWritten).toBe(true);
    }
    expect(size()).toBe(before);
    await nextTurn();
    expect(told.map(([id]) => id)).toEqual(records.map(({ id }) => id));
    for (const [, bytes] of told) expect(bytes).toBe(size());
    expect(size()).toBeGreaterThan(before);
    expect(records.some(({ isBeingWritten }) => isBeingWritten)).toBe(false);
    expect(readAll(openJournal())).toHaveLength(5);
  });

  it('and cannot be written is told as well: rows of their ends are written again', async () => {
    const journal = openJournal();
    const record = begin(journal);
    ask(record);
    let isTold = false;
    record.writeWaiter = { onWritten: () => (isTold = true) };
    const [name] = files() as [string];
    // A write that fails, as on a disk that is full: the descriptor takes none.
    const { writer } = journal as unknown as { writer: { file: number } };
    closeSync(writer.file);
    writer.file = openSync(join(folder, name), 'r');
    record.settle(SUMMARY, 'terminal_event', UNPRICED);
    await nextTurn();
    expect(isTold).toBe(true);
    expect(journal.refusal).toBe('unwritable');
    journal.tick();
    close(journal, record);
    await nextTurn();
    expect(files().length).toBe(2);
    const [row, ...others] = readAll(openJournal()).map(rowOf);
    expect(row).toMatchObject({ id: record.id, outcome: 'ok', input_tokens: 7 });
    expect(others).toEqual([]);
    expect(files()).toContain(name);
  });
});

describe('while memory has no room for rows', () => {
  it('they are read back in order, and from the last one on memory has them again', () => {
    const journal = openJournal(MB);
    expect(close(journal)).not.toBeNull();
    journal.fallBehind();
    const records = Array.from({ length: 600 }, () => begin(journal));
    for (const record of records) expect(close(journal, record)).toBeNull();
    expect(journal.rowsUnread).toBe(600);
    expect(files().length).toBeGreaterThan(1);
    const rows = readAll(journal);
    expect(rows.map((row) => rowOf(row).id)).toEqual(records.map(({ id }) => id));
    expect(journal.rowsUnread).toBe(0);
    expect(close(journal)).not.toBeNull();
  });
});

describe('a journal that can take no more', () => {
  it('lets no request begin, takes the ends of those that run, and is bounded', async () => {
    const journal = openJournal(MB);
    const rows: (JournaledRow | null)[] = [];
    const running = begin(journal);
    ask(running);
    while (journal.refusal === null) {
      rows.push(close(journal));
      await nextTurn();
    }
    expect(journal.refusal).toBe('full');
    expect(close(journal, running)?.segment).not.toBeNull();
    for (let i = 0; i < 500; i++) close(journal);
    await nextTurn();
    expect(journal.bytes).toBeLessThan(MB + 64 * 1024);
    expect(close(journal)?.segment).toBeNull();
    journal.done(rows.filter((row) => row !== null));
    journal.tick();
    expect(journal.refusal).toBeNull();
  });

  it('because its folder is gone says so, and goes on when it is back', async () => {
    const journal = openJournal(MB);
    rmSync(folder, { recursive: true });
    while (journal.refusal === null) {
      close(journal);
      await nextTurn();
    }
    expect(journal.refusal).toBe('unwritable');
    expect(close(journal)?.segment).toBeNull();
    mkdirSync(folder);
    journal.tick();
    expect(journal.refusal).toBeNull();
    expect(close(journal)?.segment).not.toBeNull();
  });
});

describe('a request that runs for long', () => {
  it('keeps no segment but the one that is written', () => {
    const journal = openJournal(MB);
    const running = begin(journal);
    ask(running);
    for (let i = 0; i < 400; i++) {
      const row = close(journal);
      if (row) journal.done([row]);
      journal.tick();
    }
    expect(journal.bytes).toBeLessThan(300 * 1024);
    const [row, ...others] = readAll(openJournal())
      .map(rowOf)
      .filter(({ outcome }) => outcome === 'gateway_crash');
    expect(row?.id).toBe(running.id);
    expect(others).toEqual([]);
  });
});
