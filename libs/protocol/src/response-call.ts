import { errors } from './errors.js';
import { JsonSyntaxError, readSpan, stringEnd } from './json-bytes.js';
import { type ItemScan, type ObjectScan, scanObject, type WantedItems } from './json-scan.js';

/** A blob in the input that only the upstream which made it can read. */
export interface EncryptedContent {
  /** Where its item stands in the body. */
  readonly item: ItemScan;
  readonly itemType: string | null;
  /** Offset of the quote that opens the blob. */
  readonly blobStart: number;
  /** Recognises the blob without holding it. */
  readonly fingerprint: string;
}

/** What the gateway knows of the body of a `POST /v1/responses`; the bytes themselves travel as they came. */
export interface ResponseCall {
  readonly raw: Buffer;
  readonly model: string;
  readonly stream: boolean;
  /** Whether the upstream is to keep the response: it is, unless the client says no (protocol.md §0.7). */
  readonly store: boolean;
  readonly background: boolean;
  /** The client's cache key, which is also the session's name; null when absent. */
  readonly promptCacheKey: string | null;
  readonly previousResponseId: string | null;
  readonly conversationId: string | null;
  /** A response to compare prompt caches with (`prompt_cache_options.comparison_response_id`). */
  readonly comparisonResponseId: string | null;
  /** Ids of stored items that the input refers to. */
  readonly itemReferences: readonly string[];
  /** In the order of the input. */
  readonly encryptedContents: readonly EncryptedContent[];
  /** The last item asks for a compaction in place of an answer (protocol.md §3.3). */
  readonly endsInTrigger: boolean;
  /** From how many tokens on the server is to compact (`context_management`); 0: by its own measure; null: never. */
  readonly compactThreshold: number | null;
  /** What the client wants at most; null when it does not say. */
  readonly maxOutputTokens: number | null;
  /** Such as `flex`; null when it does not say. */
  readonly serviceTier: string | null;
  readonly scan: ObjectScan;
}

const WANTED = [
  'model',
  'stream',
  'store',
  'prompt_cache_key',
  'input',
  'background',
  'previous_response_id',
  'conversation',
  'prompt_cache_options',
  'context_management',
  'max_output_tokens',
  'service_tier',
  'instructions',
  'tools',
] as const;
const [
  MODEL,
  STREAM,
  STORE,
  CACHE_KEY,
  BACKGROUND,
  PREVIOUS,
  CONVERSATION,
  CACHE_OPTIONS,
  CONTEXT_MANAGEMENT,
  MAX_OUTPUT,
  SERVICE_TIER,
] = [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11] as const;
const COUNT_DIGITS_MAX = 15;
const MODEL_LENGTH_MAX = 256;
const TIER_BYTES_MAX = 64;
const ID_LENGTH_MAX = 256;
/** Of members that hold an object of a few short fields. */
const SMALL_OBJECT_BYTES_MAX = 16 * 1024;

const [ITEM_TYPE, ITEM_ID, ITEM_ROLE, ITEM_BLOB] = [0, 1, 2, 3] as const;
/** Items that may say more than their own text: a blob, or the id of another item. */
const TELLING_ITEMS: WantedItems = {
  list: 'input',
  members: ['type', 'id', 'role', 'encrypted_content'],
  isKept: (spans) => spans[ITEM_BLOB * 2] !== -1 || spans[ITEM_ID * 2] !== -1,
};
const REFERENCE = '"item_reference"';
const TRIGGER = 'compaction_trigger';

/** How much of each end of a blob tells it from all others: what stands there is random. */
const FINGERPRINT_HEAD_BYTES = 16;
const FINGERPRINT_TAIL_BYTES = 32;

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
  const cacheKey = readValue(raw, scan, CACHE_KEY);
  return {
    raw,
    model,
    stream: readFlag(raw, scan, STREAM) ?? false,
    store: readFlag(raw, scan, STORE) ?? true,
    background: readFlag(raw, scan, BACKGROUND) ?? false,
    promptCacheKey: typeof cacheKey === 'string' ? cacheKey : null,
    previousResponseId: readId(readValue(raw, scan, PREVIOUS), 'previous_response_id'),
    conversationId: readConversation(raw, scan),
    comparisonResponseId: readComparison(raw, scan),
    itemReferences: readItemReferences(raw, scan),
    encryptedContents: readEncryptedContents(raw, scan),
    endsInTrigger: scan.lastItem !== null && isTrigger(raw, scan.lastItem),
    compactThreshold: readThreshold(raw, scan),
    maxOutputTokens: readCount(raw, scan, MAX_OUTPUT),
    serviceTier: readTier(raw, scan),
    scan,
  };
}

/** What recognises a blob of `encrypted_content`: its length and both its ends. Bytes are those of its text. */
export function encryptedContentFingerprint(blob: string | Buffer): string {
  if (typeof blob !== 'string') return fingerprintOf(blob, 0, blob.length);
  const head = blob.slice(0, FINGERPRINT_HEAD_BYTES);
  return `${blob.length}:${head}:${blob.slice(-FINGERPRINT_TAIL_BYTES)}`;
}

/** The text of a blob, decoded. @param blobStart offset of its opening quote */
export function sealedText(raw: Buffer, blobStart: number): string {
  return String(readJson(raw, blobStart, stringEnd(raw, blobStart), 'encrypted_content'));
}

/** Start and end (exclusive) of a top-level member's value; -1 when absent. */
export function spanOfMember(scan: ObjectScan, name: (typeof WANTED)[number]): { start: number; end: number } {
  return spanOf(scan, WANTED.indexOf(name));
}

function scanBody(raw: Buffer): ObjectScan {
  try {
    return scanObject(raw, WANTED, TELLING_ITEMS);
  } catch (error) {
    if (error instanceof JsonSyntaxError) throw errors.invalidJson(error.message, error);
    throw error;
  }
}

function spanOf({ spans }: { spans: readonly number[] }, field: number): { start: number; end: number } {
  return { start: spans[field * 2] ?? -1, end: spans[field * 2 + 1] ?? -1 };
}

function readFlag(raw: Buffer, scan: ObjectScan, field: number): boolean | null {
  const value = readValue(raw, scan, field) ?? null;
  if (value !== null && typeof value !== 'boolean') throw errors.invalidType(WANTED[field] ?? '', 'true or false');
  return value;
}

/** Anything but a number is left to the upstream. */
function readCount(raw: Buffer, scan: ObjectScan, field: number): number | null {
  const { start, end } = spanOf(scan, field);
  if (start === -1 || end - start > COUNT_DIGITS_MAX) return null;
  const value = Number(raw.toString('latin1', start, end));
  return Number.isFinite(value) && value > 0 ? value : null;
}

/** Anything but a short string is left to the upstream. */
function readTier(raw: Buffer, scan: ObjectScan): string | null {
  const { start, end } = spanOf(scan, SERVICE_TIER);
  if (start === -1 || end - start > TIER_BYTES_MAX) return null;
  const value = readValue(raw, scan, SERVICE_TIER);
  return typeof value === 'string' ? value : null;
}

function readConversation(raw: Buffer, scan: ObjectScan): string | null {
  const value = readSmallObject(raw, scan, CONVERSATION);
  return readId(isRecord(value) ? value.id : value, 'conversation');
}

function readComparison(raw: Buffer, scan: ObjectScan): string | null {
  const value = readSmallObject(raw, scan, CACHE_OPTIONS);
  return isRecord(value) ? readId(value.comparison_response_id, 'prompt_cache_options.comparison_response_id') : null;
}

/** Anything but a list with a compaction in it is left to the upstream. */
function readThreshold(raw: Buffer, scan: ObjectScan): number | null {
  const entries = readSmallObject(raw, scan, CONTEXT_MANAGEMENT);
  const entry = Array.isArray(entries) ? entries.filter(isRecord).find(({ type }) => type === 'compaction') : undefined;
  if (!entry) return null;
  return typeof entry.compact_threshold === 'number' ? entry.compact_threshold : 0;
}

function readSmallObject(raw: Buffer, scan: ObjectScan, field: number): unknown {
  const { start, end } = spanOf(scan, field);
  if (end - start > SMALL_OBJECT_BYTES_MAX) throw errors.invalidType(WANTED[field] ?? '', 'a small object');
  return readValue(raw, scan, field);
}

function readId(value: unknown, param: string): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'string' || value === '' || value.length > ID_LENGTH_MAX) {
    throw errors.invalidType(param, `an id of at most ${ID_LENGTH_MAX} characters`);
  }
  return value;
}

/** An object with an id and neither type nor role is one, too (protocol.md §1.1). */
function readItemReferences(raw: Buffer, { items }: ObjectScan): string[] {
  const ids: string[] = [];
  for (const item of items) {
    const id = isReference(raw, item) ? readId(readMember(raw, item, ITEM_ID), 'input') : null;
    if (id !== null) ids.push(id);
  }
  return ids;
}

function isReference(raw: Buffer, item: ItemScan): boolean {
  const { start, end } = spanOf(item, ITEM_TYPE);
  // Most items have another type: seen without decoding it, unless it is written with escapes.
  if (start !== -1 && end - start < REFERENCE.length && raw[start] === 0x22) return false;
  const type = readMember(raw, item, ITEM_TYPE) ?? null;
  return type === null ? spanOf(item, ITEM_ROLE).start === -1 : type === 'item_reference';
}

function isTrigger(raw: Buffer, item: ItemScan): boolean {
  const { start, end } = spanOf(item, ITEM_TYPE);
  // Most types are shorter, and need not be decoded.
  return end - start >= TRIGGER.length + 2 && readMember(raw, item, ITEM_TYPE) === TRIGGER;
}

function readEncryptedContents(raw: Buffer, { items }: ObjectScan): EncryptedContent[] {
  const found: EncryptedContent[] = [];
  for (const item of items) {
    const { start, end } = spanOf(item, ITEM_BLOB);
    // Only strings that hold something: null is what a client sends when it has none.
    if (start === -1 || raw[start] !== 0x22 || end - start <= 2) continue;
    const itemType = readMember(raw, item, ITEM_TYPE);
    found.push({
      item,
      itemType: typeof itemType === 'string' ? itemType : null,
      blobStart: start,
      fingerprint: fingerprintOf(raw, start + 1, end - 1),
    });
  }
  return found;
}

/** The same as `encryptedContentFingerprint` of the text, without decoding the whole: blobs are base64. */
function fingerprintOf(raw: Buffer, start: number, end: number): string {
  const headEnd = Math.min(end, start + FINGERPRINT_HEAD_BYTES);
  const tailStart = Math.max(start, end - FINGERPRINT_TAIL_BYTES);
  return `${end - start}:${raw.toString('latin1', start, headEnd)}:${raw.toString('latin1', tailStart, end)}`;
}

function readMember(raw: Buffer, item: ItemScan, member: number): unknown {
  const { start, end } = spanOf(item, member);
  return start === -1 ? undefined : readJson(raw, start, end, 'input');
}

/** A member's decoded value; undefined when absent. Only called for members that are small or refused. */
function readValue(raw: Buffer, scan: ObjectScan, field: number): unknown {
  const { start, end } = spanOf(scan, field);
  return start === -1 ? undefined : readJson(raw, start, end, WANTED[field] ?? '');
}

function readJson(raw: Buffer, start: number, end: number, name: string): unknown {
  try {
    return readSpan(raw, start, end);
  } catch (error) {
    throw errors.invalidJson(`the value of '${name}' cannot be read`, error);
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
