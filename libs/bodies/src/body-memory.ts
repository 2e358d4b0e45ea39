/** What all bodies together may hold of memory, from their first byte until they are in PostgreSQL. */
export class BodyMemory {
  held = 0;

  constructor(private readonly bytesMax: number) {}

  /** False when there is no room for so many more. */
  take(bytes: number): boolean {
    if (this.held + bytes > this.bytesMax) return false;
    this.held += bytes;
    return true;
  }

  /** For what takes the place of more that is about to be given back. */
  force(bytes: number): void {
    this.held += bytes;
  }

  give(bytes: number): void {
    this.held -= bytes;
  }
}
