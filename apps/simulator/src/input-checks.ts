import { refusals } from './api-error.js';
import { isObject, type JsonObject } from './json.js';

const ROLES = new Set<unknown>(['user', 'assistant', 'system', 'developer']);
const SAID_TO_MODEL = new Set<unknown>(['input_text', 'input_image', 'input_file']);
const SAID_BY_MODEL = new Set<unknown>(['output_text', 'refusal']);
/** Tool calls, and what their outputs are called. */
const OUTPUT_OF = new Map<unknown, string>([
  ['function_call', 'function_call_output'],
  ['custom_tool_call', 'custom_tool_call_output'],
  ['tool_search_call', 'tool_search_output'],
  ['local_shell_call', 'local_shell_call_output'],
]);
const OUTPUTS = new Set<unknown>(OUTPUT_OF.values());
const OTHERS = new Set<unknown>([
  'item_reference',
  'web_search_call',
  'file_search_call',
  'image_generation_call',
  'code_interpreter_call',
  'additional_tools',
]);

/** Refuses an input as the real service would that reads every item of it. */
export function requireValidInput(body: JsonObject): void {
  const { input } = body;
  if (typeof input === 'string') return;
  if (!Array.isArray(input)) throw refusals.missingParameter('input');
  const called = new Map<unknown, unknown>();
  for (const [index, item] of input.entries()) {
    if (!isObject(item)) throw refusals.invalidItem(index, 'an object was expected.');
    const complaint = complaintOf(item, index === input.length - 1);
    if (complaint !== null) throw refusals.invalidItem(index, complaint);
    requirePairing(item, index, called);
  }
  for (const [callId, type] of called) throw refusals.unansweredCall(String(type), String(callId));
}

function complaintOf(item: JsonObject, isLast: boolean): string | null {
  const type = item['type'] ?? (item['role'] === undefined ? 'item_reference' : 'message');
  if (type === 'message') return messageComplaint(item);
  if (type === 'reasoning') return Array.isArray(item['summary']) ? null : "Missing required parameter: 'summary'.";
  if (type === 'compaction') return isText(item['encrypted_content']) ? null : 'a sealed content was expected.';
  if (type === 'compaction_trigger') return isLast ? null : 'a trigger must be the last item.';
  if (OUTPUT_OF.has(type) || OUTPUTS.has(type)) return isText(item['call_id']) ? null : 'a call_id was expected.';
  return OTHERS.has(type) ? null : `Invalid value: '${String(type)}'.`;
}

function messageComplaint({ role, content }: JsonObject): string | null {
  if (!ROLES.has(role)) return `Invalid role: '${String(role)}'.`;
  if (typeof content === 'string') return null;
  const allowed = role === 'assistant' ? SAID_BY_MODEL : SAID_TO_MODEL;
  if (!Array.isArray(content)) return 'content was expected.';
  const wrong = content.find((part) => !isObject(part) || !allowed.has(part['type']));
  return wrong === undefined ? null : `Invalid content for the role '${String(role)}': ${JSON.stringify(wrong)}.`;
}

function requirePairing(item: JsonObject, index: number, called: Map<unknown, unknown>): void {
  const { type, call_id: callId } = item;
  if (OUTPUT_OF.has(type)) called.set(callId, type);
  if (!OUTPUTS.has(type)) return;
  if (OUTPUT_OF.get(called.get(callId)) !== type) throw refusals.outputWithoutCall(index, String(callId));
  called.delete(callId);
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}
