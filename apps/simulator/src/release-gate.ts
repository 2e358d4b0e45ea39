/** Where held exchanges wait until a test lets all of them go on. */
export class ReleaseGate {
  private readonly waiting = new Set<() => void>();
  private releases = 0;

  /** A ticket for waiting; taken before the last event is written, a release in between is not lost. */
  get ticket(): number {
    return this.releases;
  }

  /** Calls `resume` at the first release after the ticket was taken; the returned function withdraws. */
  wait(ticket: number, resume: () => void): () => void {
    if (ticket !== this.releases) {
      const immediate = setImmediate(resume);
      return () => clearImmediate(immediate);
    }
    this.waiting.add(resume);
    return () => this.waiting.delete(resume);
  }

  /** Lets everyone who waits go on. */
  release(): void {
    this.releases += 1;
    const woken = [...this.waiting];
    this.waiting.clear();
    for (const resume of woken) resume();
  }
}
