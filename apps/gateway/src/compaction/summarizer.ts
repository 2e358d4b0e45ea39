import { chunked, PARTS_INTRODUCTION, partIntroduction, SUMMARY_REQUEST } from '@app/compaction';
import { errors } from '@app/protocol';

/** How many parts of a long conversation are read at the same time. */
const PARTS_AT_ONCE = 3;
/** What a part may take of the window; the rest is for the instruction and the summary. */
const WINDOW_SHARE = 0.6;
/** Code and logs have some three bytes to a token, prose four. */
const BYTES_PER_TOKEN = 3;
/** Of a model of which nothing is known; a part that is too large all the same is halved. */
export const WINDOW_TOKENS_DEFAULT = 200_000;
/** A part that is refused at this size is refused for another reason. */
const PART_BYTES_MIN = 4 * 1024;
/** Summaries of summaries: each level is a small part of the one before. */
const LEVELS_MAX = 6;

/** A part was too large for the model. */
export class PartTooLongError extends Error {}

export interface Summary {
  readonly text: string;
  /** In how many parts the conversation was read. */
  readonly chunks: number;
}

/** How a summary is asked for: the texts of one call's input, its answer's text. */
export type AskForSummary = (texts: readonly string[]) => Promise<string>;

/**
 * Has a model summarise a conversation: in one call if it fits into the window, else part by part, and then the summaries of
 * the parts. Nothing of it is left out.
 */
export class Summarizer {
  private partBytesMax: number;
  private chunks = 0;

  /**
   * @param ask throws PartTooLongError for what does not fit into the window
   * @param stop ends the calls that are running
   * @param windowTokens null: not known
   */
  constructor(
    private readonly ask: AskForSummary,
    private readonly stop: () => void,
    windowTokens: number | null,
  ) {
    this.partBytesMax = partBytesFor(windowTokens);
  }

  /** @throws whatever `ask` throws, and GatewayError when even small parts do not fit */
  async summarize(conversation: Iterable<string>): Promise<Summary> {
    const text = await this.whole(chunked(conversation, this.partBytesMax), 0);
    return { text, chunks: this.chunks };
  }

  private async whole(parts: Iterator<string, void> & Iterable<string>, level: number): Promise<string> {
    if (level > LEVELS_MAX) throw errors.compactionFailed('the summaries of its parts do not get shorter');
    const first = parts.next();
    if (first.done) return this.askOnce([SUMMARY_REQUEST], level);
    const second = parts.next();
    const summaries = second.done
      ? await this.single(first.value, level)
      : await this.parts(chain(first.value, second.value, parts), level);
    if (typeof summaries === 'string') return summaries;
    return this.whole(chunked(summaries, this.partBytesMax), level + 1);
  }

  /** The summary of what fits into one call; of what does not, those of its parts. */
  private async single(text: string, level: number): Promise<string | string[]> {
    const texts = [told(text), SUMMARY_REQUEST];
    try {
      return await this.askOnce(level === 0 ? texts : [PARTS_INTRODUCTION, ...texts], level);
    } catch (error) {
      return this.halves(text, level, error);
    }
  }

  /** The summaries of parts, in their order. */
  private async parts(parts: Iterable<string>, level: number): Promise<string[]> {
    const asked: Promise<string[]>[] = [];
    const running = new Set<Promise<string[]>>();
    try {
      for (const part of parts) {
        const summary = this.part(part, asked.length + 1, level);
        asked.push(summary);
        running.add(summary);
        const end = (): boolean => running.delete(summary);
        summary.then(end, end);
        if (running.size >= PARTS_AT_ONCE) await Promise.race(running);
      }
      return (await Promise.all(asked)).flat();
    } catch (error) {
      // Without one of them the others are of no use: they end before anybody is told.
      this.stop();
      await Promise.allSettled(asked);
      throw error;
    }
  }

  private async part(text: string, number: number, level: number): Promise<string[]> {
    try {
      return [await this.askOnce([partIntroduction(number), told(text), SUMMARY_REQUEST], level)];
    } catch (error) {
      return this.halves(text, level, error);
    }
  }

  /** Windows are not known exactly, and bytes are not tokens: what does not fit is read in two halves. */
  private halves(text: string, level: number, error: unknown): Promise<string[]> {
    if (!(error instanceof PartTooLongError)) throw error;
    const half = Math.ceil(Buffer.byteLength(text) / 2);
    if (half < PART_BYTES_MIN) {
      throw errors.compactionFailed('even a small part of it exceeds the context window of the model', error);
    }
    this.partBytesMax = Math.min(this.partBytesMax, half);
    if (level === 0) this.chunks--;
    return this.parts(chunked([text], half + PART_BYTES_MIN / 2), level);
  }

  private askOnce(texts: readonly string[], level: number): Promise<string> {
    if (level === 0) this.chunks++;
    return this.ask(texts);
  }
}

/** How many bytes of a conversation are read at once. */
export function partBytesFor(windowTokens: number | null): number {
  return Math.floor((windowTokens ?? WINDOW_TOKENS_DEFAULT) * WINDOW_SHARE * BYTES_PER_TOKEN);
}

function told(text: string): string {
  return `<conversation>\n${text}\n</conversation>`;
}

function* chain(first: string, second: string, rest: Iterable<string>): Generator<string, void> {
  yield first;
  yield second;
  yield* rest;
}
