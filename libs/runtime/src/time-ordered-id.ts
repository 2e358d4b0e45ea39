import { randomUUID } from 'node:crypto';

/** A new UUIDv7 (RFC 9562). With `atMs` its time part is exactly that, so that `timeOfId` finds it again. */
export function newId(atMs: number = Date.now()): string {
  const time = atMs.toString(16).padStart(12, '0');
  // A random UUID comes from a pool of random bytes; behind its version digit it has the layout of a UUIDv7.
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`;
}

/** The time part of a UUIDv7, in milliseconds since 1970. */
export function timeOfId(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}
