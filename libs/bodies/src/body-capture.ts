import type { ServerResponse } from 'node:http';
import type { BodyPolicy, Redaction } from '@app/groups';
import type { Clock } from '@app/runtime';
import type { BodyMemory } from './body-memory.js';

/** What each piece costs besides its bytes. */
const PIECE_BYTES = 256;
/** Held beyond what is stored, so that a secret across the cut is seen whole by the rules of redaction. */
export const BYTES_BEYOND_CUT = 1024;

const CAPTURE = Symbol('capture');

type Captured = ServerResponse & { [CAPTURE]: BodyCapture };

/** What passes to the client of one request, as it passes: the very buffers, and when each of them did. */
export class BodyCapture {
  /** Of the answer, whole. */
  bytes = 0;
  /** Memory is short: nothing of the request is stored. */
  isGivenUp = false;
  pieces: Buffer[] = [];
  /** When each was handed over, in milliseconds since the request arrived. */
  atMs: number[] = [];
  /** Of the pieces. */
  heldBytes = 0;
  private taken = 0;

  constructor(
    readonly policy: BodyPolicy,
    readonly redaction: Redaction,
    private readonly startedMonotonicMs: number,
    private readonly memory: BodyMemory,
    private readonly clock: Clock,
  ) {}

  add(piece: Buffer): void {
    this.bytes += piece.length;
    const room = this.policy.bytesMax + BYTES_BEYOND_CUT - this.heldBytes;
    if (this.isGivenUp || room <= 0 || piece.length === 0) return;
    const held = piece.length > room ? piece.subarray(0, room) : piece;
    if (!this.memory.take(held.length + PIECE_BYTES)) {
      this.isGivenUp = true;
      return this.release();
    }
    this.taken += held.length + PIECE_BYTES;
    this.heldBytes += held.length;
    this.pieces.push(held);
    this.atMs.push(this.clock.monotonic() - this.startedMonotonicMs);
  }

  /** Lets go of what it holds. */
  release(): void {
    this.memory.give(this.taken);
    this.taken = this.heldBytes = 0;
    this.pieces = [];
    this.atMs = [];
  }
}

/** Has a capture see all that is written to a response, whoever writes it. */
export function captureWrites(response: ServerResponse, capture: BodyCapture): void {
  // Functions that are there already: literals would keep alive what they reach (CONTRIBUTING.md).
  Object.assign(response, { [CAPTURE]: capture, write: writeCaptured, end: endCaptured });
}

function writeCaptured(this: Captured, chunk: Uint8Array | string, ...rest: unknown[]): boolean {
  note(this, chunk, rest[0]);
  return (Object.getPrototypeOf(this) as ServerResponse).write.call(this, chunk, ...(rest as [BufferEncoding]));
}

function endCaptured(this: Captured, chunk?: unknown, ...rest: unknown[]): ServerResponse {
  if (typeof chunk === 'string' || chunk instanceof Uint8Array) note(this, chunk, rest[0]);
  return (Object.getPrototypeOf(this) as ServerResponse).end.call(this, chunk, ...(rest as [BufferEncoding]));
}

function note(response: Captured, chunk: Uint8Array | string, encoding: unknown): void {
  const isText = typeof chunk === 'string';
  const bytes = isText
    ? Buffer.from(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8')
    : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  response[CAPTURE].add(bytes);
}
