import type { EventFrame } from './event-frames.js';
import { JsonPath } from './json-path.js';

/** What stands for whatever was taken out. */
const REDACTED = '[redacted]';

/** What is never stored, whatever a group says: keys of OpenAI's form, ours among them, and what else is a credential by its form. */
const CREDENTIALS = [
  /\bsk-[\w-]{16,}/g,
  /\btga-[\w-]{16,}/g,
  /\bwhsec_[A-Za-z0-9+/]{24,}=*/g,
  /\bBearer +[\w.~+/-]{16,}=*/gi,
  /\b(?:gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|AKIA|ASIA|AIza|npm_|hf_)[\w-]{10,}/g,
  // JSON web tokens.
  /\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?/g,
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g,
];

/** What is stored of JSON that cannot be read, and so not be redacted by paths: nothing. */
const WITHHELD = `${REDACTED}: the rules have paths of JSON, and this is none, or was cut`;

export interface RedactionRules {
  /** Global ones. */
  readonly patterns: readonly RegExp[];
  readonly jsonPaths: readonly string[];
}

type JsonObject = Record<string, unknown>;

/** Takes out of bodies what must not be stored. Patterns may take for ever on some texts: whoever calls it sees to that. */
export class Redactor {
  /** Whether there was anything to take out, so far. */
  hasRedacted = false;
  private readonly patterns: readonly RegExp[];
  private readonly paths: readonly JsonPath[];

  constructor(rules: RedactionRules) {
    this.patterns = [...CREDENTIALS, ...rules.patterns];
    this.paths = rules.jsonPaths.map((path) => new JsonPath(path));
  }

  /** A body: its values if it is JSON, and its text whatever it is. What no rule concerns stays as it is, to the byte. */
  document(text: string): string {
    const value = parsed(text);
    if (value === undefined) return this.unread(text);
    return this.text(this.values(value) ? JSON.stringify(value) : text);
  }

  /** The events of a stream. Pieces of one text are looked at as the whole that they are. */
  events(frames: readonly EventFrame[]): EventFrame[] {
    const read = frames.map((frame) => ({ frame, value: frame.data === null ? undefined : parsed(frame.data) }));
    const changed = this.deltas(read.map(({ value }) => value));
    return read.map(({ frame, value }) => {
      const { data } = frame;
      if (data === null) return frame;
      // What an upstream sends at the end of a stream.
      if (value === undefined) return data === '[DONE]' ? frame : { ...frame, data: this.unread(data) };
      const hasChanged = this.values(value) || changed.has(value);
      return { ...frame, data: this.text(hasChanged ? JSON.stringify(value) : data) };
    });
  }

  /** Any text. */
  text(text: string): string {
    let result = text;
    for (const pattern of this.patterns) result = result.replace(pattern, redacted);
    if (result !== text) this.hasRedacted = true;
    return result;
  }

  private unread(text: string): string {
    if (this.paths.length === 0 || text === '') return this.text(text);
    this.hasRedacted = true;
    return WITHHELD;
  }

  /** Redacts within a value; whether there was anything. */
  private values(root: object): boolean {
    let count = 0;
    const { response } = root as JsonObject;
    for (const path of this.paths) {
      count += path.replaceIn(root, REDACTED) + path.replaceIn(response, REDACTED);
    }
    if (this.strings(root) || count > 0) {
      this.hasRedacted = true;
      return true;
    }
    return false;
  }

  /** Escapes hide from a pattern what is in the text of JSON: it looks at each string as it is meant. */
  private strings(node: object): boolean {
    let hasChanged = false;
    for (const [key, value] of Object.entries(node)) {
      if (typeof value === 'string') {
        const result = this.text(value);
        if (result === value) continue;
        (node as JsonObject)[key] = result;
        hasChanged = true;
      } else if (typeof value === 'object' && value !== null && this.strings(value as object)) hasChanged = true;
    }
    return hasChanged;
  }

  /** The values of events in which something was found that no single one of them shows. */
  private deltas(values: readonly (object | undefined)[]): Set<object> {
    const changed = new Set<object>();
    for (const events of textsOf(values).values()) {
      const text = events.map(({ delta }) => delta).join('');
      const isCovered = this.covered(text);
      if (!isCovered) continue;
      this.hasRedacted = true;
      let at = 0;
      for (const event of events) {
        const delta = uncovered(text, isCovered, at, at + event.delta.length);
        at += event.delta.length;
        if (delta === event.delta) continue;
        event.delta = delta;
        changed.add(event);
      }
    }
    return changed;
  }

  /** For each character of a text, whether it is to be taken out: 2 where that begins; null when none is. */
  private covered(text: string): Uint8Array | null {
    let marks: Uint8Array | null = null;
    for (const pattern of this.patterns) {
      for (const match of text.matchAll(pattern)) {
        if (match[0] === '') continue;
        marks ??= new Uint8Array(text.length);
        marks.fill(1, match.index, match.index + match[0].length);
        marks[match.index] = 2;
      }
    }
    return marks;
  }
}

interface DeltaEvent {
  type: string;
  delta: string;
  item_id?: unknown;
  output_index?: unknown;
  content_index?: unknown;
  summary_index?: unknown;
}

/** Events that carry pieces of text, by the text that they are of. */
function textsOf(values: readonly (object | undefined)[]): Map<string, DeltaEvent[]> {
  const texts = new Map<string, DeltaEvent[]>();
  for (const value of values) {
    const event = value as Partial<DeltaEvent> | undefined;
    if (!event || typeof event.delta !== 'string' || typeof event.type !== 'string') continue;
    const { type, item_id: item, output_index: output, content_index: content, summary_index: summary } = event;
    const key = JSON.stringify([type, item, output, content, summary]);
    const events = texts.get(key);
    if (events) events.push(event as DeltaEvent);
    else texts.set(key, [event as DeltaEvent]);
  }
  return texts;
}

function uncovered(text: string, marks: Uint8Array, from: number, to: number): string {
  let result = '';
  for (let at = from; at < to; at++) {
    if (marks[at] === 0) result += text[at];
    else if (marks[at] === 2) result += REDACTED;
  }
  return result;
}

function redacted(): string {
  return REDACTED;
}

/** An object or an array; undefined for all else. */
function parsed(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
