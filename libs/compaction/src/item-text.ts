type Json = Readonly<Record<string, unknown>>;

/** What says nothing to a reader of text: sealed or binary, and long. */
const UNREADABLE = new Set(['encrypted_content', 'image_url', 'file_data', 'result', 'id', 'status', 'type']);
const DATA_URL = /^data:([\w.+-]+\/[\w.+-]+)?[;,]/;

/** The text of a message's content: itself, or that of its parts, joined by line breaks; '' without one. */
export function messageText(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content.map(partText).join('\n');
}

/** An item of a conversation as a reader sees it: who says or does what. null for items that say nothing. */
export function itemText(type: string, item: Json): string | null {
  switch (type) {
    case 'message':
      return headed(`[${typeof item.role === 'string' ? item.role : 'user'}]`, messageText(item.content));
    case 'reasoning':
      return headed('[reasoning]', messageText(item.summary));
    case 'function_call':
    case 'custom_tool_call':
      return headed(`[tool call: ${called(item)}]`, textOf(item.arguments ?? item.input));
    case 'function_call_output':
    case 'custom_tool_call_output':
      return headed(`[tool output${named(item.call_id)}]`, textOf(item.output));
    case 'compaction_trigger':
    case 'additional_tools':
    case 'configuration_update':
      return null;
    default:
      return headed(`[${type}]`, readableJson(item));
  }
}

function headed(head: string, text: string): string | null {
  return text.trim() === '' ? null : `${head}\n${text}`;
}

function called({ namespace, name, call_id: callId }: Json): string {
  const prefix = typeof namespace === 'string' ? `${namespace}.` : '';
  return `${prefix}${typeof name === 'string' ? name : 'unnamed'}${named(callId)}`;
}

function named(id: unknown): string {
  return typeof id === 'string' ? ` (${id})` : '';
}

/** A text, a list of content parts, or any JSON. */
function textOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'string') return value;
  return Array.isArray(value) ? messageText(value) : readableJson(value);
}

function partText(part: unknown): string {
  if (typeof part === 'string') return part;
  const { type, text, refusal, filename } = (part ?? {}) as Json;
  if (typeof text === 'string') return text;
  if (typeof refusal === 'string') return refusal;
  if (type === 'input_image') return '[an image]';
  if (type === 'input_file') return `[a file${typeof filename === 'string' ? `: ${filename}` : ''}]`;
  return readableJson(part);
}

/** JSON in which what cannot be read is named in place of its bytes. */
function readableJson(value: unknown): string {
  return (
    JSON.stringify(value, (name, member: unknown) => {
      if (typeof member !== 'string') return member;
      if (UNREADABLE.has(name) && member.length > 64) return `[${name} of ${member.length} characters]`;
      return DATA_URL.test(member) ? `[data of ${member.length} characters]` : member;
    }) ?? ''
  );
}
