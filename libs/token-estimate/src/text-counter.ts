import { clearMergeCache, countTokens } from 'gpt-tokenizer/encoding/o200k_base';

/** Texts beyond it are counted by the rate of what came before, which bounds the time of a count to some seconds. */
const CHARACTERS_MAX = 1024 * 1024;
/** The tokenizer's time grows with the square of a word's length: longer runs are cut, at the price of a token each. */
const LONG_RUN = /[\p{L}\p{M}]{64}|[^\s\p{L}\p{N}]{64}|\s{64}/gu;
/**
 * The tokenizer's memory of words is emptied after each slice: it gets slow when it has to drop single words, and its words
 * hold the whole text in memory.
 */
const SLICE_CHARACTERS = 64 * 1024;
/** In a text `<|endoftext|>` is a text. */
const PLAIN = { disallowedSpecial: new Set<string>() };

/** Counts the tokens of one request's texts in o200k_base, the encoding of OpenAI's models since GPT-4o. */
export class TextCounter {
  private characters = 0;
  private tokens = 0;

  count(text: string): number {
    const room = Math.max(0, CHARACTERS_MAX - this.characters);
    const exact = text.length <= room ? text : text.slice(0, room);
    let counted = 0;
    for (let at = 0; at < exact.length; at += SLICE_CHARACTERS) {
      counted += countByRuns(exact.slice(at, at + SLICE_CHARACTERS));
      clearMergeCache();
    }
    this.characters += exact.length;
    this.tokens += counted;
    const rest = text.length - exact.length;
    return rest === 0 ? counted : counted + Math.ceil((rest * this.tokens) / this.characters);
  }
}

function countByRuns(text: string): number {
  let tokens = 0;
  let at = 0;
  for (const { 0: run, index } of text.matchAll(LONG_RUN)) {
    tokens += countTokens(text.slice(at, index + run.length), PLAIN);
    at = index + run.length;
  }
  return at === text.length ? tokens : tokens + countTokens(text.slice(at), PLAIN);
}
