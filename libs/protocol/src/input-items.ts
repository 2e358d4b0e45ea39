import { errors } from './errors.js';
import { JsonSyntaxError, readSpan } from './json-bytes.js';
import { type ItemScan, scanObject, type WantedItems } from './json-scan.js';

/** One item of a call's input, still in its bytes: a conversation of megabytes is never held as objects at once. */
export interface InputItem {
  readonly scan: ItemScan;
  /** `message` for items that leave it out. */
  readonly type: string;
  /** null when it has none. */
  readonly role: string | null;
  /** The item itself. */
  read(): Readonly<Record<string, unknown>>;
}

const EVERY_ITEM: WantedItems = { list: 'input', members: ['type', 'role'], isKept: () => true };

/**
 * The items of a call's input in order; a text is the one message of a user that it stands for. null when there is no input.
 *
 * @throws GatewayError when the input is neither
 */
export function readInputItems(raw: Buffer): readonly InputItem[] | null {
  const { spans, items } = scanned(raw);
  const [start = -1, end = -1] = spans;
  if (start === -1) return null;
  if (raw[start] === 0x5b) return items.map((scan) => new ScannedItem(raw, scan));
  const input = readSpan(raw, start, end);
  if (input === null) return null;
  if (typeof input !== 'string') throw errors.invalidType('input', 'a text, or a list of items');
  return input === '' ? [] : [new TextItem(input, { index: 0, start, end, spans: [] })];
}

function scanned(raw: Buffer): ReturnType<typeof scanObject> {
  try {
    return scanObject(raw, ['input'], EVERY_ITEM);
  } catch (error) {
    if (error instanceof JsonSyntaxError) throw errors.invalidJson(error.message, error);
    throw error;
  }
}

class ScannedItem implements InputItem {
  readonly type: string;
  readonly role: string | null;

  constructor(
    private readonly raw: Buffer,
    readonly scan: ItemScan,
  ) {
    this.role = this.member(1);
    this.type = this.member(0) ?? (this.role === null ? 'item_reference' : 'message');
  }

  read(): Readonly<Record<string, unknown>> {
    try {
      return JSON.parse(this.raw.toString('utf8', this.scan.start, this.scan.end)) as Record<string, unknown>;
    } catch (error) {
      throw errors.invalidJson(`input[${this.scan.index}] cannot be read`, error);
    }
  }

  private member(index: number): string | null {
    const start = this.scan.spans[index * 2] ?? -1;
    if (start === -1) return null;
    const value = readSpan(this.raw, start, this.scan.spans[index * 2 + 1] ?? -1);
    return typeof value === 'string' ? value : null;
  }
}

class TextItem implements InputItem {
  readonly type = 'message';
  readonly role = 'user';

  constructor(
    private readonly text: string,
    readonly scan: ItemScan,
  ) {}

  read(): Readonly<Record<string, unknown>> {
    return { type: 'message', role: 'user', content: [{ type: 'input_text', text: this.text }] };
  }
}
