import type { Socket } from 'node:net';

const SMALLEST_BYTES = 128 * 1024;
const LARGEST_BYTES = 4 * 1024 * 1024;
const IDLE_BYTES_MAX = 64 * 1024 * 1024;

/** Finds the memory behind a view of it. */
const POOLED = Symbol('pooled');

type View = Buffer & { [POOLED]?: PooledBuffer };

/** Idle memory by its size. */
const idle = new Map<number, Buffer[]>();
let idleBytes = 0;

/**
 * A large block of memory that is used again when its last holder has released it, as in Netty (its reference-counted
 * buffers). Fresh memory for every body of 1 MB costs more than all else that is done with it: V8 counts it, and has to
 * collect its whole heap every 64 MB (docs/decisions/2026-11-25-memory-of-large-bodies.md).
 *
 * Whoever reads a view of it must be a holder for as long. A holder that forgets to release costs nothing but the reuse;
 * one that reads after its release may see another request's bytes, so there are two only: the request, until it is closed,
 * and the sockets that a view is written to (`holdWhileWriting`).
 */
export class PooledBuffer {
  private holders = 1;

  private constructor(readonly bytes: Buffer) {}

  /** Memory for at least so many bytes, held once; null for sizes that are not pooled. What stands in it is of no meaning. */
  static take(bytesMin: number): PooledBuffer | null {
    const size = sizeFor(bytesMin);
    if (size === null) return null;
    const used = idle.get(size)?.pop();
    if (used) idleBytes -= size;
    return new PooledBuffer(used ?? Buffer.allocUnsafeSlow(size));
  }

  /** The first bytes, as a buffer that sockets recognise. */
  view(length: number): Buffer {
    const view: View = this.bytes.subarray(0, length);
    view[POOLED] = this;
    return view;
  }

  retain(): void {
    if (this.holders === 0) throw new Error('the memory was released by its last holder before');
    this.holders++;
  }

  release(): void {
    if (this.holders === 0) throw new Error('the memory was released more often than it was held');
    if (--this.holders > 0) return;
    const { bytes } = this;
    if (idleBytes + bytes.length > IDLE_BYTES_MAX) return;
    idleBytes += bytes.length;
    const ofSize = idle.get(bytes.length);
    if (ofSize) ofSize.push(bytes);
    else idle.set(bytes.length, [bytes]);
  }
}

/** The memory that a buffer is a view of; null when it is not pooled. */
export function pooledMemoryOf(buffer: Buffer | null): PooledBuffer | null {
  return (buffer as View | null)?.[POOLED] ?? null;
}

/** Makes a socket hold the memory of each view that is written to it, until the bytes are with the system or lost. */
export function holdWhileWriting(socket: Socket): void {
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
  socket.write = (chunk: Uint8Array | string, ...rest: unknown[]): boolean => {
    const memory = typeof chunk === 'string' ? null : pooledMemoryOf(chunk as Buffer);
    if (!memory) return write(chunk, ...rest);
    memory.retain();
    const told = rest.find((argument) => typeof argument === 'function') as ((error?: Error) => void) | undefined;
    return write(chunk, (error?: Error) => {
      memory.release();
      told?.(error);
    });
  };
}

function sizeFor(bytesMin: number): number | null {
  if (bytesMin > LARGEST_BYTES) return null;
  return Math.max(SMALLEST_BYTES, 2 ** Math.ceil(Math.log2(Math.max(1, bytesMin))));
}
