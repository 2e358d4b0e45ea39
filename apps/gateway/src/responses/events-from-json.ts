import { readResponseSummary, responseEvents } from '@app/protocol';
import type { Answer, AnswerContext } from './answer.js';
import { refusedWith200, unusable } from './attempt-failures.js';
import { EVENT_STREAM_HEAD } from './event-stream-head.js';

/** A larger answer is given up: its events are five times its size, and are made at once, some 50 ms for each MB. */
const HELD_BYTES_MAX = 16 * 1024 * 1024;
/** Small events leave together. */
const WRITE_BYTES = 64 * 1024;

/** A stream of events for a client that asked for one, from an upstream that answers only in one piece. */
export class EventsFromJson implements Answer {
  readonly eventCount = 0;
  private chunks: Buffer[] = [];
  private bytes = 0;
  private isOver = false;

  constructor(private readonly context: AnswerContext) {}

  push(chunk: Buffer): boolean {
    if (this.isOver) return true;
    this.bytes += chunk.length;
    this.chunks.push(chunk);
    if (this.bytes > HELD_BYTES_MAX) this.fail(`an answer of more than ${HELD_BYTES_MAX} bytes`);
    return true;
  }

  end(): void {
    if (this.isOver) return;
    this.isOver = true;
    const body = Buffer.concat(this.chunks);
    this.chunks = [];
    const summary = readResponseSummary(body);
    const response = summary && parsedObject(body);
    if (!response) return this.fail('an answer that is not JSON');
    const { client, rule, headers } = this.context;
    if (summary.errorMessage !== null && summary.id === null) return client.fail(refusedWith200(summary, headers));
    rule.settle(summary, 'response_body', body);
    this.stream(response);
  }

  /** Nothing has been written before the answer is whole, and then it is written at once. */
  breakOff(): void {
    this.context.client.destroy();
  }

  keepAlive(): boolean {
    return false;
  }

  discard(): void {
    this.isOver = true;
    this.chunks = [];
  }

  private stream(response: Readonly<Record<string, unknown>>): void {
    const { client, record } = this.context;
    if (!client.isHeadSent) client.writeHead(EVENT_STREAM_HEAD);
    let batch: Buffer[] = [];
    let batchBytes = 0;
    for (const event of responseEvents(response, record.ownResponseId)) {
      batch.push(event);
      batchBytes += event.length;
      if (batchBytes < WRITE_BYTES) continue;
      client.write(Buffer.concat(batch));
      batch = [];
      batchBytes = 0;
    }
    client.end(Buffer.concat(batch));
  }

  private fail(problem: string): void {
    const { client, status, headers } = this.context;
    this.discard();
    client.fail(unusable(status, `${problem} (${headers['content-type'] ?? 'no content-type'})`));
  }
}

function parsedObject(body: Buffer): Readonly<Record<string, unknown>> | null {
  try {
    // That it is an object is known: a summary could be read from it.
    return JSON.parse(body.toString('utf8')) as Readonly<Record<string, unknown>>;
  } catch {
    return null;
  }
}
