import { parse, v7 } from 'uuid';

/** A new UUIDv7 (RFC 9562). With `atMs` its time part is exactly that, so that `timeOfId` finds it again. */
export function newId(atMs?: number): string {
  return atMs === undefined ? v7() : v7({ msecs: atMs });
}

/** The time part of a UUIDv7, in milliseconds since 1970. */
export function timeOfId(id: string): number {
  return Buffer.from(parse(id)).readUIntBE(0, 6);
}
