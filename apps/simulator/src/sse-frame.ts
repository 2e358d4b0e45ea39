import type { StreamEvent } from './event-sequence.js';
import type { Script } from './script.js';

const COMMENT_EVERY = 3;

/** Frames the events of one stream in the scripted form; by default exactly as OpenAI does. */
export class SseFrames {
  private readonly lineEnd: string;

  constructor(
    private readonly events: readonly StreamEvent[],
    private readonly script: Script,
  ) {
    this.lineEnd = script.line_ending === 'crlf' ? '\r\n' : '\n';
  }

  /** The wire text of one event, with the stream's trailer if it is the last. */
  frame(index: number): string {
    const event = this.events[index];
    if (!event) return '';
    const end = this.lineEnd;
    const comment = this.script.comments && index % COMMENT_EVERY === 0 ? `: ping${end}${end}` : '';
    const name = this.script.event_lines === false ? '' : `event: ${event.type}${end}`;
    const text = `${comment}${name}data: ${event.json}${end}${end}`;
    return index === this.events.length - 1 ? this.withTrailer(text) : text;
  }

  /** The wire text of the events from one index up to another (excluded). */
  frames(from: number, to: number): string {
    let text = '';
    for (let index = from; index < to; index += 1) text += this.frame(index);
    return text;
  }

  private withTrailer(text: string): string {
    const whole = this.script.done_marker ? `${text}data: [DONE]${this.lineEnd}${this.lineEnd}` : text;
    return this.script.final_blank_line === false ? whole.slice(0, -this.lineEnd.length) : whole;
  }
}
