import { startsWithAscii } from './ascii.js';
import { scanTrustedObject } from './json-scan.js';
import { readResponseSummary, type ResponseSummary, UNREAD_RESPONSE } from './response-summary.js';

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
/** How much of a line decides whether its event matters; longer than the longest prefix looked for. */
const DECISION_BYTES = 64;
/** How much of a line is kept, to be searched for the sequence number, which stands right behind the type. */
const HEAD_BYTES = 256;
/** A captured event larger than this is let go: its usage is then missing, the stream is not. */
const CAPTURE_BYTES_MAX = 32 * 1024 * 1024;

/** From chunks up to this size heads of lines are not copied. */
const VIEWED_BYTES_MAX = 4 * 1024;

const UNDECIDED = 0;
const SKIP = 1;
const CAPTURE = 2;

/** How a stream of response events ended. */
export interface TerminalEvent extends ResponseSummary {
  readonly type: 'response.completed' | 'response.incomplete' | 'response.failed' | 'error';
  /** The bytes of the response object; null when there was none. */
  readonly response: Buffer | null;
}

/**
 * Watches a stream of Responses API events go by and notes how it ended, without parsing the events on the way: only the
 * first bytes of each `data:` line are looked at, and only `response.created` and the terminal event are read. Any split of
 * the bytes into chunks gives the same result.
 */
export class EventStreamTap {
  /** The terminal event, once it has passed whole. */
  terminal: TerminalEvent | null = null;
  /** The response's id, from the first event that names it. */
  responseId: string | null = null;
  /** Whether an event has come that is part of the answer: more than that the response was created, queued or is in progress. */
  hasContent = false;

  private readonly head = Buffer.allocUnsafe(HEAD_BYTES);
  private lineLength = 0;
  private decision = UNDECIDED;
  private captured: Buffer[] | null = null;
  private capturedBytes = 0;
  private lineFirstByte = 0;
  private eventHasData = false;
  /** Data events that have passed whole. */
  eventCount = 0;
  /** The head of the event's first data line; it counts when the event is whole. */
  private line: Buffer | null = null;
  private lastLine: Buffer | null = null;
  private isDataLine = false;

  /**
   * Takes the next bytes and returns how many of them end in a whole event: the rest belongs to an event that is still
   * coming. 0 when no event ends in this chunk. It stops behind the event that ends the response: what follows is no part
   * of it.
   */
  push(chunk: Buffer): number {
    const boundary = this.scan(chunk);
    // The heads of lines are views of the chunk, and would keep a large one for as long as nothing else comes.
    if (chunk.length > VIEWED_BYTES_MAX) {
      this.line = copyOfHead(this.line);
      this.lastLine = copyOfHead(this.lastLine);
    }
    return boundary;
  }

  private scan(chunk: Buffer): number {
    let boundary = 0;
    let at = 0;
    while (at < chunk.length) {
      const newline = chunk.indexOf(NEWLINE, at);
      const end = newline === -1 ? chunk.length : newline;
      if (end > at) this.takeLinePart(chunk, at, end, newline !== -1);
      if (newline === -1) break;
      if (this.endLine()) {
        boundary = newline + 1;
        if (this.terminal && this.terminal.type !== 'error') return boundary;
      }
      at = newline + 1;
    }
    return boundary;
  }

  /** To be called at the end of the bytes: a last event without its blank line still counts. */
  end(): void {
    if (this.lineLength > 0) this.endLine();
    this.endEvent();
  }

  /** The sequence number that an event appended to the stream has to carry. */
  nextSequenceNumber(): number {
    const text = this.lastLine?.toString('latin1', 0, HEAD_BYTES) ?? '';
    const found = /"sequence_number"\s*:\s*(\d{1,15})/.exec(text);
    return found ? Number(found[1]) + 1 : this.eventCount;
  }

  /** Type of the last event that has passed whole; null before the first, and when its type does not stand at its head. */
  lastEventType(): string | null {
    return /"type"\s*:\s*"([\w.:-]{1,64})"/.exec(this.lastLine?.toString('latin1', 0, HEAD_BYTES) ?? '')?.[1] ?? null;
  }

  private takeLinePart(chunk: Buffer, start: number, end: number, isLineEnd: boolean): void {
    const length = end - start;
    if (this.lineLength === 0 && (isLineEnd || length >= HEAD_BYTES)) {
      this.lineFirstByte = chunk[start] ?? 0;
      this.decision = this.classify(chunk, start, end);
      if (this.isDataLine) this.line ??= chunk.subarray(start, end);
      if (this.decision === CAPTURE) this.capture(chunk.subarray(dataStart(chunk, start), end));
    } else this.takeSplitLinePart(chunk, start, end);
    this.lineLength += length;
  }

  /** A line that comes in pieces is decided on by its head, which is copied together. */
  private takeSplitLinePart(chunk: Buffer, start: number, end: number): void {
    const { lineLength, head } = this;
    if (lineLength === 0) this.lineFirstByte = chunk[start] ?? 0;
    const copied =
      lineLength < HEAD_BYTES ? chunk.copy(head, lineLength, start, Math.min(end, start + HEAD_BYTES - lineLength)) : 0;
    if (this.decision === CAPTURE) this.capture(chunk.subarray(start, end));
    else if (this.decision === UNDECIDED && lineLength + copied >= DECISION_BYTES) {
      const decision = this.decideFromHead(lineLength + copied);
      if (decision === CAPTURE) this.capture(chunk.subarray(start + copied, end));
    }
  }

  private decideFromHead(length: number): number {
    this.decision = this.classify(this.head, 0, length);
    if (this.decision === CAPTURE) this.capture(Buffer.from(this.head.subarray(dataStart(this.head, 0), length)));
    return this.decision;
  }

  /** Returns true when the line was blank, i.e. ended an event. */
  private endLine(): boolean {
    const { lineLength } = this;
    const isBlank = lineLength === 0 || (lineLength === 1 && this.lineFirstByte === CARRIAGE_RETURN);
    if (!isBlank && this.decision === UNDECIDED) this.decideFromHead(lineLength);
    if (this.isDataLine) this.line ??= Buffer.from(this.head.subarray(0, Math.min(lineLength, HEAD_BYTES)));
    this.lineLength = 0;
    this.decision = UNDECIDED;
    this.isDataLine = false;
    if (isBlank) this.endEvent();
    return isBlank;
  }

  private classify(bytes: Buffer, start: number, end: number): number {
    this.isDataLine = startsWithAscii(bytes, start, end, 'data:');
    if (!this.isDataLine) return SKIP;
    const isContinuation = this.eventHasData;
    this.eventHasData = true;
    if (isContinuation) return this.captured ? CAPTURE : SKIP;
    return this.isWanted(bytes, dataStart(bytes, start), end) ? CAPTURE : SKIP;
  }

  /** Whether the event that starts here has to be read: it ends the stream, names the response, or hides its type. */
  private isWanted(bytes: Buffer, start: number, end: number): boolean {
    if (!startsWithAscii(bytes, start, end, '{"type":"')) return bytes[start] === 0x7b;
    const type = start + 9;
    if (!startsWithAscii(bytes, type, end, 'response.')) return startsWithAscii(bytes, type, end, 'error"');
    const name = type + 9;
    switch (bytes[name]) {
      case 0x63:
        if (startsWithAscii(bytes, name, end, 'completed"')) return true;
        if (startsWithAscii(bytes, name, end, 'created"')) return this.responseId === null;
        break;
      case 0x66:
        if (startsWithAscii(bytes, name, end, 'failed"')) return true;
        break;
      case 0x69:
        if (startsWithAscii(bytes, name, end, 'incomplete"')) return true;
        if (startsWithAscii(bytes, name, end, 'in_progress"')) return false;
        break;
      case 0x71:
        if (startsWithAscii(bytes, name, end, 'queued"')) return false;
        break;
      default:
    }
    this.hasContent = true;
    return false;
  }

  private capture(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.captured ??= [];
    this.capturedBytes += bytes.length;
    if (this.capturedBytes <= CAPTURE_BYTES_MAX) this.captured.push(bytes);
  }

  private endEvent(): void {
    if (this.eventHasData) {
      this.eventCount++;
      this.lastLine = this.line;
    }
    const { captured } = this;
    if (captured && this.capturedBytes <= CAPTURE_BYTES_MAX) {
      this.read(captured.length === 1 && captured[0] ? captured[0] : Buffer.concat(captured));
    }
    this.captured = null;
    this.capturedBytes = 0;
    this.eventHasData = false;
    this.line = null;
  }

  private read(data: Buffer): void {
    const event = readEvent(data);
    if (!event) return;
    const { type, response } = event;
    this.responseId ??= response?.id ?? null;
    switch (type) {
      case 'response.completed':
      case 'response.incomplete':
      case 'response.failed':
        this.terminal = { ...(response ?? UNREAD_RESPONSE), type, response: event.bytes };
        break;
      case 'response.created':
      case 'response.in_progress':
      case 'response.queued':
        break;
      case 'error':
        // A response.failed usually follows and then counts (protocol.md §2.6).
        this.terminal ??= { ...UNREAD_RESPONSE, ...event.error, type, response: null };
        break;
      default:
        if (typeof type === 'string' && type.startsWith('response.')) this.hasContent = true;
    }
  }
}

function copyOfHead(line: Buffer | null): Buffer | null {
  return line && Buffer.from(line.subarray(0, HEAD_BYTES));
}

interface ReadEvent {
  type: unknown;
  response: ResponseSummary | null;
  bytes: Buffer | null;
  error: { errorCode: string | null; errorMessage: string | null };
}

function readEvent(data: Buffer): ReadEvent | null {
  try {
    const { spans } = scanTrustedObject(data, ['type', 'response']);
    const [typeStart = -1, typeEnd = -1, start = -1, end = -1] = spans;
    const type: unknown = typeStart === -1 ? null : JSON.parse(data.toString('utf8', typeStart, typeEnd));
    const bytes = start === -1 ? null : data.subarray(start, end);
    const response = bytes && readResponseSummary(bytes);
    return {
      type,
      response,
      bytes,
      error: type === 'error' ? readError(data) : { errorCode: null, errorMessage: null },
    };
  } catch {
    // Not JSON: it passes through as it is, and says nothing to the log.
    return null;
  }
}

/** The wire nests an error event's fields, the documentation shows them flat (protocol.md §0.3). */
function readError(data: Buffer): { errorCode: string | null; errorMessage: string | null } {
  const event = JSON.parse(data.toString('utf8')) as Record<string, unknown>;
  const error = (typeof event.error === 'object' && event.error !== null ? event.error : event) as Record<
    string,
    unknown
  >;
  return {
    errorCode: typeof error.code === 'string' ? error.code : null,
    errorMessage: typeof error.message === 'string' ? error.message : null,
  };
}

/** Offset of a data line's value: one space after the colon belongs to the field, not to the value. */
function dataStart(bytes: Buffer, lineStart: number): number {
  return bytes[lineStart + 5] === 0x20 ? lineStart + 6 : lineStart + 5;
}
