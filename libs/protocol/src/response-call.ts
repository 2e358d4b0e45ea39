import { errors } from './errors.js';
import { JsonSyntaxError, type ObjectScan, readSpan, scanObject } from './json-scan.js';

/** What the gateway knows of the body of a `POST /v1/responses`; the bytes themselves travel as they came. */
export interface ResponseCall {
  readonly raw: Buffer;
  readonly model: string;
  readonly stream: boolean;
  /** The client's cache key, which is also the session's name; null when absent. */
  readonly promptCacheKey: string | null;
  readonly scan: ObjectScan;
}

const WANTED = ['model', 'stream', 'store', 'prompt_cache_key'] as const;
const MODEL = 0;
const STREAM = 1;
const STORE = 2;
const CACHE_KEY = 3;
const MODEL_LENGTH_MAX = 256;

/**
 * Reads what routing needs from the raw body.
 *
 * @throws GatewayError 400, naming the parameter
 */
export function readResponseCall(raw: Buffer): ResponseCall {
  const scan = scanBody(raw);
  const model = readValue(raw, scan, MODEL);
  if (model === undefined || model === null || model === '') throw errors.missingParameter('model');
  if (typeof model !== 'string') throw errors.invalidType('model', 'a string');
  if (model.length > MODEL_LENGTH_MAX) {
    throw errors.invalidType('model', `a name of at most ${MODEL_LENGTH_MAX} characters`);
  }
  const stream = readValue(raw, scan, STREAM) ?? false;
  if (typeof stream !== 'boolean') throw errors.invalidType('stream', 'true or false');
  const cacheKey = readValue(raw, scan, CACHE_KEY);
  return { raw, model, stream, promptCacheKey: typeof cacheKey === 'string' ? cacheKey : null, scan };
}

/** The call's bytes with another model name or `store: false` put in; all other bytes stay as they came. */
export function rewriteCall(call: ResponseCall, changes: { model: string | null; storeFalse: boolean }): Buffer {
  const { raw, scan } = call;
  const edits: { start: number; end: number; text: string }[] = [];
  if (changes.model !== null && changes.model !== call.model) {
    edits.push({ ...spanOf(scan, MODEL), text: JSON.stringify(changes.model) });
  }
  if (changes.storeFalse) {
    const store = spanOf(scan, STORE);
    if (store.start === -1) edits.push({ start: scan.open + 1, end: scan.open + 1, text: '"store":false,' });
    else if (raw.toString('latin1', store.start, store.end) !== 'false') edits.push({ ...store, text: 'false' });
  }
  if (edits.length === 0) return raw;
  edits.sort((a, b) => a.start - b.start);
  const parts: Buffer[] = [];
  let at = 0;
  for (const { start, end, text } of edits) {
    parts.push(raw.subarray(at, start), Buffer.from(text));
    at = end;
  }
  parts.push(raw.subarray(at));
  return Buffer.concat(parts);
}

function scanBody(raw: Buffer): ObjectScan {
  try {
    return scanObject(raw, WANTED);
  } catch (error) {
    if (error instanceof JsonSyntaxError) throw errors.invalidJson(error.message, error);
    throw error;
  }
}

function spanOf(scan: ObjectScan, field: number): { start: number; end: number } {
  return { start: scan.spans[field * 2] ?? -1, end: scan.spans[field * 2 + 1] ?? -1 };
}

/** A member's decoded value; undefined when absent. Only called for members that are small or refused. */
function readValue(raw: Buffer, scan: ObjectScan, field: number): unknown {
  const { start, end } = spanOf(scan, field);
  if (start === -1) return undefined;
  try {
    return readSpan(raw, start, end);
  } catch (error) {
    throw errors.invalidJson(`the value of '${WANTED[field] ?? ''}' cannot be read`, error);
  }
}
