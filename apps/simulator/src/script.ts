import type { IncomingHttpHeaders } from 'node:http';
import { refusals } from './api-error.js';
import { inputItems, lastUserText } from './conversation.js';
import { type Fault, faultComplaint } from './fault.js';
import { type Check, fieldsComplaint, isCount, isFlag, isRecordOf, isText } from './field-checks.js';
import { isObject, type JsonObject } from './json.js';

/** What a request tells the simulator to do; field names are those of the directive. */
export interface Script {
  text?: string;
  deltas?: number;
  delta_delay_ms?: number;
  first_delay_ms?: number;
  reasoning?: boolean;
  shell?: string;
  call?: ScriptedCall;
  /** Calls of one response after the other, those of a round at once; then the text. */
  rounds?: ScriptedCall[][];
  chunking?: 'event' | 'burst' | number;
  line_ending?: 'lf' | 'crlf';
  done_marker?: boolean;
  event_lines?: boolean;
  comments?: boolean;
  keepalive?: boolean;
  unknown_events?: boolean;
  big_event_bytes?: number;
  usage?: JsonObject | null | 'omit';
  hold_after_events?: number;
  final_blank_line?: boolean;
  gzip?: boolean;
  model_header?: string;
  /** The tier that the answer names; default: the one asked for. */
  service_tier?: string;
  fault?: Fault;
  times?: number;
}

/** A tool call to emit: a function call by `arguments`, a custom tool call by `input`, a tool search by its name. */
export interface ScriptedCall {
  name: string;
  arguments?: JsonObject | string;
  input?: string;
}

/** A script together with the text it was read from (the key for counting its uses). */
export interface FoundScript {
  script: Script;
  source: string;
}

/** Writes a script as the directive that a user message or the instructions may carry. */
export function directive(script: Script): string {
  return `${OPENING}${JSON.stringify(script)}${CLOSING}`;
}

/** The script of a request: of the `x-simulator` header, else the last user message, else the instructions. */
export function findScript(headers: IncomingHttpHeaders, body: JsonObject): FoundScript {
  const header = headers['x-simulator'];
  const instructions = body['instructions'];
  const source =
    (typeof header === 'string' ? header : null) ??
    findDirective(lastUserText(inputItems(body)))?.source ??
    (typeof instructions === 'string' ? findDirective(instructions)?.source : null);
  return source ? { script: parseScript(source), source } : { script: {}, source: '' };
}

/** A user's text without its directive. */
export function withoutDirective(text: string): string {
  const found = findDirective(text);
  return found ? text.slice(0, found.start) + text.slice(found.end) : text;
}

const OPENING = '[[sim ';
const CLOSING = ']]';

interface Directive {
  source: string;
  start: number;
  end: number;
}

function findDirective(text: string): Directive | null {
  const start = text.indexOf(OPENING);
  if (start < 0) return null;
  const from = start + OPENING.length;
  // The JSON itself may hold `]]`, so the directive ends at the first `]]` that leaves valid JSON behind.
  for (let close = text.indexOf(CLOSING, from); close >= 0; close = text.indexOf(CLOSING, close + 1)) {
    const source = text.slice(from, close).trim();
    if (isJson(source)) return { source, start, end: close + CLOSING.length };
  }
  throw refusals.badScript('the directive is not [[sim {json}]].');
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const callChecks = { name: isText, arguments: (value: unknown) => isText(value) || isObject(value), input: isText };

const isCall: Check = (value) => isRecordOf(callChecks)(value) && isText((value as JsonObject)['name']);
const isRound: Check = (value) => Array.isArray(value) && value.length > 0 && value.every(isCall);

const checks: Record<keyof Script, Check> = {
  text: isText,
  deltas: isCount,
  delta_delay_ms: isCount,
  first_delay_ms: isCount,
  reasoning: isFlag,
  shell: isText,
  call: isCall,
  rounds: (value) => Array.isArray(value) && value.every(isRound),
  chunking: (value) => value === 'event' || value === 'burst' || (isCount(value) && value !== 0),
  line_ending: (value) => value === 'lf' || value === 'crlf',
  done_marker: isFlag,
  event_lines: isFlag,
  comments: isFlag,
  keepalive: isFlag,
  unknown_events: isFlag,
  big_event_bytes: isCount,
  usage: (value) => value === null || value === 'omit' || isObject(value),
  hold_after_events: isCount,
  final_blank_line: isFlag,
  gzip: isFlag,
  model_header: isText,
  service_tier: isText,
  fault: () => true,
  times: isCount,
};

function parseScript(source: string): Script {
  const parsed: unknown = isJson(source) ? JSON.parse(source) : null;
  if (!isObject(parsed)) throw refusals.badScript('it must be one JSON object.');
  const complaint =
    fieldsComplaint(parsed, checks) ?? (parsed['fault'] === undefined ? null : faultComplaint(parsed['fault']));
  if (complaint) throw refusals.badScript(complaint);
  return parsed;
}
