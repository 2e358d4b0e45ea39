import { startsWithAscii } from './ascii.js';
import { eventData } from './event-data.js';
import { EventStreamTap } from './event-stream-tap.js';
import { readSpan } from './json-bytes.js';
import { type ObjectScan, scanTrustedObject } from './json-scan.js';

const ITEM_DONE = 'response.output_item.done';
const ENDS: ReadonlySet<unknown> = new Set(['response.completed', 'response.incomplete', 'response.failed']);
const WANTED = ['type', 'response', 'output_index', 'item'] as const;

const NO_OUTPUT = /^(?:null|\[\s*\])$/;

interface FoundResponse {
  readonly raw: Buffer;
  /** Of its output. */
  readonly scan: ObjectScan;
}

/**
 * Collects a stream of events into the one response object that a caller without streaming gets: the terminal event's, in
 * the bytes in which it came. Deltas are dropped as they pass. Should the terminal event list no output although items were
 * done, as ChatGPT's backend does, these are put in.
 */
export class CollectedResponse {
  readonly tap = new EventStreamTap();
  /** What is held at the moment. */
  bytes = 0;

  private unfinished: Buffer[] = [];
  private readonly items = new Map<number, Buffer>();
  private response: FoundResponse | null = null;

  push(chunk: Buffer): void {
    const whole = this.tap.push(chunk);
    this.unfinished.push(whole > 0 ? chunk.subarray(0, whole) : chunk);
    this.bytes += chunk.length;
    if (whole === 0) return;
    this.takeWhole();
    if (whole < chunk.length) {
      this.unfinished.push(chunk.subarray(whole));
      this.bytes += chunk.length - whole;
    }
  }

  /** To be called at the end of the bytes: a last event without its blank line still counts. */
  end(): void {
    this.tap.end();
    this.takeWhole();
  }

  /** The response's JSON; null before its terminal event. */
  toJson(): Buffer | null {
    if (!this.response) return null;
    return this.items.size === 0 ? this.response.raw : withOutput(this.response, this.items);
  }

  private takeWhole(): void {
    for (const data of eventData(Buffer.concat(this.unfinished))) this.take(data);
    this.unfinished = [];
    this.bytes = this.response?.raw.length ?? 0;
    for (const item of this.items.values()) this.bytes += item.length;
  }

  private take(data: Buffer): void {
    if (!isWanted(data)) return;
    try {
      const { spans } = scanTrustedObject(data, WANTED);
      const [typeStart = -1, typeEnd = -1, start = -1, end = -1, at = -1, atEnd = -1, item = -1, itemEnd = -1] = spans;
      const type = typeStart === -1 ? null : readSpan(data, typeStart, typeEnd);
      if (ENDS.has(type) && start !== -1) {
        // Copied: a slice would keep the whole read in memory.
        const raw = Buffer.from(data.subarray(start, end));
        this.response = { raw, scan: scanTrustedObject(raw, ['output']) };
      }
      if (type !== ITEM_DONE || item === -1 || at === -1) return;
      const index = readSpan(data, at, atEnd);
      if (typeof index === 'number') this.items.set(index, Buffer.from(data.subarray(item, itemEnd)));
    } catch {
      // Not JSON: the tap passes over it, too.
    }
  }
}

/** Whether an event ends an item or the response, or hides its type behind other members. */
function isWanted(data: Buffer): boolean {
  if (!startsWithAscii(data, 0, data.length, '{"type":"')) return data[0] === 0x7b;
  if (startsWithAscii(data, 9, data.length, ITEM_DONE)) return true;
  const end = data.indexOf(0x22, 9);
  return ENDS.has(data.toString('latin1', 9, end));
}

/** The response with these items as its output, unless it has some; all other bytes stay as they came. */
function withOutput({ raw, scan }: FoundResponse, items: ReadonlyMap<number, Buffer>): Buffer {
  const [start = -1, end = -1] = scan.spans;
  if (start !== -1 && !NO_OUTPUT.test(raw.toString('latin1', start, end))) return raw;
  const inOrder = [...items].toSorted(([a], [b]) => a - b).map(([, item]) => item);
  const output = inOrder.flatMap((item, index) => [Buffer.from(index === 0 ? '[' : ','), item]);
  if (start !== -1) return Buffer.concat([raw.subarray(0, start), ...output, Buffer.from(']'), raw.subarray(end)]);
  const rest = raw.subarray(scan.open + 1);
  const isOnlyMember = /^\s*\}/.test(rest.toString('latin1', 0, 64));
  return Buffer.concat([Buffer.from('{"output":'), ...output, Buffer.from(isOnlyMember ? ']' : '],'), rest]);
}
