import { randomBytes } from 'node:crypto';
import type { Transaction } from '@app/database';
import { newId, SecretBox } from '@app/runtime';

const KEY_BYTES = 32;
/** Yesterday's is needed for requests that ran across midnight. */
const DAYS_HELD = 2;

/** Wraps and opens the keys of days. A wrapped key opens only under the id that it was wrapped for. */
export class BodyKeyBox {
  private readonly box: SecretBox;

  constructor(masterKey: Buffer) {
    this.box = new SecretBox(masterKey, 'body-keys');
  }

  wrap(id: string, key: Buffer): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.box.seal(key.toString('base64'), `body-key:${id}`));
  }

  /** @throws Error when the bytes were changed or wrapped under another MASTER_KEY */
  open(id: string, wrapped: Uint8Array): Buffer {
    return Buffer.from(this.box.open(wrapped, `body-key:${id}`), 'base64');
  }
}

/** A key under which bodies of one day (UTC) are encrypted. */
export interface DayKey {
  readonly id: string;
  readonly day: string;
  readonly key: Buffer;
  readonly wrapped: Uint8Array;
  /** Whether it was in the database once: then it must be there still. */
  isStored: boolean;
}

/** The keys that this process encrypts with, one for each day; made here, so that nobody waits for the database. */
export class BodyKeys {
  private readonly held = new Map<string, DayKey>();

  constructor(private readonly box: BodyKeyBox) {}

  /** The key of the day that a request began on. */
  at(startedAtMs: number): DayKey {
    const day = dayOf(startedAtMs);
    const held = this.held.get(day);
    if (held) return held;
    const id = newId();
    const key = randomBytes(KEY_BYTES);
    const made = { id, day, key, wrapped: this.box.wrap(id, key), isStored: false };
    this.held.set(day, made);
    const oldest = [...this.held.keys()].toSorted()[0] ?? day;
    if (this.held.size > DAYS_HELD) this.held.delete(oldest);
    return made;
  }

  /** It was dropped: nothing is encrypted under it any more. */
  forget({ id, day }: DayKey): void {
    if (this.held.get(day)?.id === id) this.held.delete(day);
  }
}

/** The day (UTC) of a time, as `2026-11-25`. */
export function dayOf(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}

/** Wraps the key of every day anew, under another MASTER_KEY. @throws Error when one of them does not open */
export async function rewrapBodyKeys(tx: Transaction, from: BodyKeyBox, to: BodyKeyBox): Promise<void> {
  for (const { id, wrappedKey } of await tx.bodyKey.findMany()) {
    await tx.bodyKey.update({ where: { id }, data: { wrappedKey: to.wrap(id, from.open(id, wrappedKey)) } });
  }
}
