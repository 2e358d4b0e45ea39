/** What a service knows of compaction. */
export type CompactionKnowledge = 'native' | 'unknown' | 'ignored';

const HELD_MAX = 1_000;
// No word boundary before it: in JSON a line break is the letter n.
const FACT = /FACT-[A-Z0-9-]+(?: is [\w-]+)?/g;
const SUMMARY_WANTED = /\bsummary of the conversation\b|CONTEXT CHECKPOINT COMPACTION/;

/** What the compactions of one service stand for: what a real one reads out of its sealed blobs. */
export class CompactedContents {
  private readonly held = new Map<string, string>();

  /** Remembers the input that a blob takes the place of. */
  keep(blob: string, input: unknown): void {
    this.held.set(blob, this.readable(input));
    for (const oldest of this.held.keys()) {
      if (this.held.size <= HELD_MAX) return;
      this.held.delete(oldest);
    }
  }

  /** An input as JSON, followed by what the compactions in it stand for. */
  readable(input: unknown): string {
    const text = JSON.stringify(input ?? '');
    const behind = [...this.held].filter(([blob]) => text.includes(blob)).map(([, contents]) => contents);
    return [text, ...behind].join('\n');
  }
}

/** Whether the last words of a user ask for a summary, as clients and gateways do that compact by themselves. */
export function wantsSummary(lastUserText: string): boolean {
  return SUMMARY_WANTED.test(lastUserText);
}

/** What a simulated model writes as a summary: every `FACT-…` that it has read, once. */
export function summaryOf(context: string): string {
  const facts = [...new Set(context.match(FACT))];
  return facts.length === 0 ? 'Nothing of note was said.' : `What is known: ${facts.join('; ')}.`;
}
