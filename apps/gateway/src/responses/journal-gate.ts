import type { ServerResponse } from 'node:http';
import type { RequestRecord, WriteWaiter } from '@app/journal';

/** Whoever asks an upstream, once the journal knows of it. */
export interface Asker {
  ask(): void;
}

/**
 * Stands between an answer and its client: the upstream is not asked before the journal has the request, and the client does not
 * see the end before the journal has that. Until then, which is in the same turn of the event loop, the end is held back.
 */
export class JournalGate implements WriteWaiter {
  private isAsked = false;
  private held: Buffer[] = [];
  private isEndHeld = false;

  constructor(
    private readonly record: RequestRecord,
    private readonly response: ServerResponse,
    private readonly asker: Asker,
  ) {
    record.writeWaiter = this;
  }

  /** The record has been noted as asked. */
  askWhenWritten(): void {
    if (!this.record.isBeingWritten) this.onWritten();
  }

  /** As of `ServerResponse`: false when the client reads more slowly. */
  write(bytes: Buffer): boolean {
    if (!this.record.isBeingWritten) return this.response.write(bytes);
    this.held.push(bytes);
    return true;
  }

  end(lastBytes: Buffer | undefined): void {
    if (!this.record.isBeingWritten) return void this.response.end(lastBytes);
    if (lastBytes) this.held.push(lastBytes);
    this.isEndHeld = true;
  }

  onWritten(): void {
    if (!this.isAsked) {
      this.isAsked = true;
      this.asker.ask();
    }
    const { response, held, isEndHeld } = this;
    if (held.length === 0 && !isEndHeld) return;
    this.held = [];
    this.isEndHeld = false;
    if (response.destroyed) return;
    const last = isEndHeld ? held.pop() : undefined;
    for (const bytes of held) response.write(bytes);
    if (isEndHeld) response.end(last);
  }
}
