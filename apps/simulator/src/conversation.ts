import { newId } from './ids.js';
import { isObject, type JsonObject } from './json.js';

/** A tool that the request offers, and the namespace it sits in. */
export interface OfferedTool {
  type: string;
  namespace: string | null;
}

/** The input as items: a string is one user message. */
export function inputItems(body: JsonObject): JsonObject[] {
  const input = body['input'];
  if (typeof input === 'string') return [{ type: 'message', role: 'user', content: input }];
  return Array.isArray(input) ? input.filter(isObject) : [];
}

/** The text of an item's `content` (or another field): the string itself, or its text parts joined by newlines. */
export function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content
    .filter(isObject)
    .map((part) => part['text'])
    .filter((text) => typeof text === 'string')
    .join('\n');
}

/** Whether an item is a message of the user. */
export function isUserMessage(item: JsonObject): boolean {
  return item['role'] === 'user' && (item['type'] === 'message' || item['type'] === undefined || item['type'] === null);
}

/** The text of the last user message, '' without one. */
export function lastUserText(items: readonly JsonObject[]): string {
  const message = items.findLast(isUserMessage);
  return message ? textOf(message['content']) : '';
}

const TOOL_OUTPUTS: unknown[] = ['function_call_output', 'custom_tool_call_output', 'tool_search_output'];

/** The texts of the tool outputs that came after the last user message, oldest first; none: the model is to move first. */
export function pendingToolOutputs(items: readonly JsonObject[]): string[] {
  return items
    .slice(items.findLastIndex(isUserMessage) + 1)
    .filter((item) => TOOL_OUTPUTS.includes(item['type']))
    .map((item) => textOf(item['output']));
}

/** An input item as the service shows it afterwards: with id and status, its content as parts. */
export function completedItem(item: JsonObject): JsonObject {
  const content = item['content'];
  const parts = typeof content === 'string' ? { content: [{ type: 'input_text', text: content }] } : {};
  return { id: newId('msg'), type: 'message', status: 'completed', ...item, ...parts };
}

/** Whether the request asks for a compaction by its last input item. */
export function asksForCompaction(items: readonly JsonObject[]): boolean {
  return items.at(-1)?.['type'] === 'compaction_trigger';
}

/** Whether a compaction came after the user's last words: his tools have been used, and their outputs are gone. */
export function isResumed(items: readonly JsonObject[]): boolean {
  return items
    .slice(items.findLastIndex(isUserMessage) + 1)
    .some((item) => item['type'] === 'compaction' || item['role'] === 'developer');
}

const TOOL_BRINGERS: unknown[] = ['additional_tools', 'tool_search_output'];

/** Finds an offered tool by name: in `tools`, in namespaces, and in items that bring tools, such as a search's output. */
export function findTool(body: JsonObject, name: string): OfferedTool | null {
  const lists = [
    body['tools'],
    ...inputItems(body).map((item) => TOOL_BRINGERS.includes(item['type']) && item['tools']),
  ];
  for (const list of lists) {
    const tool = findInList(list, name, null);
    if (tool) return tool;
  }
  return null;
}

function findInList(tools: unknown, name: string, namespace: string | null): OfferedTool | null {
  if (!Array.isArray(tools)) return null;
  for (const tool of tools.filter(isObject)) {
    if (tool['type'] === 'namespace') {
      const inside = findInList(tool['tools'], name, typeof tool['name'] === 'string' ? tool['name'] : null);
      if (inside) return inside;
    } else if (tool['name'] === name) {
      return { type: String(tool['type']), namespace };
    }
  }
  return null;
}
