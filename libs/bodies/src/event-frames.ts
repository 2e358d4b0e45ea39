/** An event of a stream as it was handed to the client. */
export interface EventFrame {
  /** In milliseconds since the request arrived. */
  readonly atMs: number;
  readonly event: string | null;
  /** null: a comment. */
  readonly data: string | null;
}

/** The pieces in which an answer was written: where each of them ends, and when it was handed over. */
export interface WrittenPieces {
  readonly ends: ArrayLike<number>;
  readonly atMs: ArrayLike<number>;
}

const NEWLINE = 0x0a;

/** Whether an answer is a stream of events: JSON begins otherwise. */
export function isEventStream(bytes: Uint8Array): boolean {
  return /^(?:event|data|id|retry)?:/.test(Buffer.from(bytes.subarray(0, 8)).toString('latin1'));
}

/** Takes a stream apart; what comes in more than one piece has the time of the last of them. An event is whole or left out. */
export function eventFrames(bytes: Buffer, { ends, atMs }: WrittenPieces, bytesMax: number): EventFrame[] {
  const frames: EventFrame[] = [];
  let lines: string[] = [];
  let piece = 0;
  for (let at = 0; at < bytes.length;) {
    const newline = bytes.indexOf(NEWLINE, at);
    const end = newline === -1 ? bytes.length : newline + 1;
    const line = bytes.subarray(at, newline === -1 ? end : newline).toString('utf8');
    const text = line.endsWith('\r') ? line.slice(0, -1) : line;
    at = end;
    if (text !== '') lines.push(text);
    if ((text !== '' && at < bytes.length) || lines.length === 0) continue;
    if (at > bytesMax) break;
    while (piece < ends.length - 1 && (ends[piece] ?? 0) < at) piece++;
    frames.push(frameOf(lines, atMs[piece] ?? 0));
    lines = [];
  }
  return frames;
}

function frameOf(lines: readonly string[], atMs: number): EventFrame {
  let event: string | null = null;
  const data: string[] = [];
  for (const line of lines) {
    if (line.startsWith('event:')) event = valueOf(line, 6);
    else if (line.startsWith('data:')) data.push(valueOf(line, 5));
  }
  return { atMs: Math.round(atMs * 10) / 10, event, data: data.length > 0 ? data.join('\n') : null };
}

function valueOf(line: string, from: number): string {
  return line.slice(line[from] === ' ' ? from + 1 : from);
}
