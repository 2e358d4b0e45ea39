import { IMAGE_TOKENS_DEFAULT, imageTokens } from './image-tokens.js';

/** What a role, a type and the marks between items cost. */
const TOKENS_PER_ITEM = 4;
/** What opens the answer. */
const TOKENS_PER_REQUEST = 3;
/** Between a text (4) and a PDF full of pictures (some 50): no more than a guess. */
const FILE_BYTES_PER_TOKEN = 16;
/** A file that is only referred to. */
const FILE_TOKENS_DEFAULT = 1_000;
/** Sealed reasoning and compactions: base64, and the seal's own bytes. */
const SEAL_BYTES = 650;
const SEALED_BYTES_PER_TOKEN = 4;
/** Deeper is never a model's input. */
const DEPTH_MAX = 64;

/** Members that the model does not get to read, or that are counted with their item. */
const UNREAD = new Set([
  'id',
  'type',
  'role',
  'status',
  'call_id',
  'detail',
  'phase',
  'annotations',
  'logprobs',
  'filename',
  'created_by',
  'prompt_cache_breakpoint',
]);

/**
 * About how many input tokens a request is, from its parsed body: texts by `countText`, images by their size, files by
 * theirs. Takes any shape. What the provider keeps (`previous_response_id`, `conversation`, `prompt`) cannot be counted here.
 */
export function inputTokens(body: unknown, countText: (text: string) => number): number {
  if (typeof body !== 'object' || body === null) return 0;
  const { input, instructions, tools, text } = body as Record<string, unknown>;
  const counter = new Counter(countText);
  return (
    TOKENS_PER_REQUEST +
    (instructions === undefined || instructions === null ? 0 : TOKENS_PER_ITEM + counter.read(instructions)) +
    counter.items(input) +
    counter.asJson(tools) +
    counter.asJson((text as { format?: { schema?: unknown } } | null | undefined)?.format?.schema)
  );
}

class Counter {
  constructor(private readonly countText: (text: string) => number) {}

  items(input: unknown): number {
    if (input === undefined || input === null) return 0;
    if (!Array.isArray(input)) return TOKENS_PER_ITEM + this.read(input);
    let tokens = 0;
    for (const item of input) tokens += TOKENS_PER_ITEM + this.item(item);
    return tokens;
  }

  asJson(value: unknown): number {
    return value === undefined || value === null ? 0 : this.countText(JSON.stringify(value));
  }

  /** All texts, images and files inside a value. */
  read(value: unknown, depth = 0): number {
    if (typeof value === 'string') return value.startsWith('data:') ? this.dataUrl(value, null) : this.countText(value);
    if (typeof value === 'number' || typeof value === 'boolean') return 1;
    if (typeof value !== 'object' || value === null || depth > DEPTH_MAX) return 0;
    let tokens = 0;
    if (Array.isArray(value)) {
      for (const element of value) tokens += this.read(element, depth + 1);
      return tokens;
    }
    const members = value as Record<string, unknown>;
    for (const name in members) if (!UNREAD.has(name)) tokens += this.member(members, name, depth);
    return tokens;
  }

  private item(item: unknown): number {
    const { type, tools } = (item ?? {}) as Record<string, unknown>;
    // Its tools are told to the model as those of the request are.
    return type === 'additional_tools' ? this.asJson(tools) : this.read(item);
  }

  private member(members: Record<string, unknown>, name: string, depth: number): number {
    const value = members[name];
    const { type } = members;
    switch (name) {
      case 'image_url':
        // Chat Completions wraps it; some clients send that here.
        return imageTokens((value as { url?: unknown } | null)?.url ?? value, members.detail);
      case 'encrypted_content':
        return typeof value === 'string' ? sealedTokens(value) : 0;
      case 'file_data':
        return typeof value === 'string' ? fileTokens(value) : 0;
      case 'file_id':
        return type === 'input_image' ? imageTokens(null, members.detail) : FILE_TOKENS_DEFAULT;
      case 'file_url':
        return FILE_TOKENS_DEFAULT;
      case 'result':
        return type === 'image_generation_call' ? IMAGE_TOKENS_DEFAULT : this.read(value, depth + 1);
      case 'summary':
        // The model thinks on from the sealed reasoning, not from its summary.
        return typeof members.encrypted_content === 'string' ? 0 : this.read(value, depth + 1);
      default:
        return this.read(value, depth + 1);
    }
  }

  private dataUrl(url: string, detail: unknown): number {
    return url.startsWith('data:image/') ? imageTokens(url, detail) : fileTokens(url);
  }
}

function fileTokens(base64: string): number {
  return Math.ceil((base64.length * 3) / 4 / FILE_BYTES_PER_TOKEN);
}

function sealedTokens(base64: string): number {
  return Math.ceil(Math.max(0, (base64.length * 3) / 4 - SEAL_BYTES) / SEALED_BYTES_PER_TOKEN);
}
