import { createHash } from 'node:crypto';
import { refusals } from './api-error.js';
import { inputItems } from './conversation.js';
import { newSealedText } from './ids.js';
import type { JsonObject } from './json.js';

const MARK_DIGITS = 16;
const PREFIX_CHARS = newSealedText(0).length;

/** Seals what only this service can read: reasoning and compaction blobs carry the mark of the name they were made under. */
export class Seal {
  private readonly mark: string;

  /** @param name without one, blobs of whatever origin are accepted */
  constructor(private readonly name: string | null) {
    this.mark = createHash('sha256')
      .update(name ?? '')
      .digest('hex')
      .slice(0, MARK_DIGITS);
  }

  /** A new blob of about so many bytes. */
  newBlob(bytes: number): string {
    const blob = newSealedText(bytes);
    return this.name === null ? blob : blob.slice(0, PREFIX_CHARS) + this.mark + blob.slice(PREFIX_CHARS);
  }

  /** Refuses a request that carries a blob of another service, as OpenAI refuses one of another organisation. */
  requireOwn(body: JsonObject): void {
    if (this.name === null) return;
    for (const [index, { encrypted_content: blob }] of inputItems(body).entries()) {
      if (typeof blob === 'string' && !blob.startsWith(this.mark, PREFIX_CHARS)) throw refusals.foreignSeal(index);
    }
  }
}
