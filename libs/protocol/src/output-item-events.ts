/** A response object or a part of one, as it was parsed. */
export type ResponseJson = Readonly<Record<string, unknown>>;

/** An event without its place in the stream. */
export interface ItemEvent extends ResponseJson {
  readonly type: string;
}

/** An output item that can be followed through a stream. */
export interface OutputItem extends ResponseJson {
  readonly id: string;
  readonly type: string;
}

interface TextField {
  field: string;
  event: string;
}

/** Longer texts come in several deltas. */
const DELTA_CHARACTERS_MAX = 2048;

/** The prefix of an id says what it names; some servers refuse an item that comes back under another one. */
const ID_PREFIXES: ReadonlyMap<string, string> = new Map([
  ['message', 'msg'],
  ['reasoning', 'rs'],
  ['function_call', 'fc'],
  ['custom_tool_call', 'ctc'],
  ['compaction', 'cmp'],
]);

/** Items whose work is told between their two events, and by which. */
const PROGRESS: ReadonlyMap<string, readonly string[]> = new Map([
  ['web_search_call', ['in_progress', 'searching', 'completed']],
  ['file_search_call', ['in_progress', 'searching', 'completed']],
  ['code_interpreter_call', ['in_progress', 'interpreting', 'completed']],
  ['image_generation_call', ['in_progress', 'generating', 'completed']],
  ['mcp_call', ['in_progress', 'completed']],
  ['mcp_list_tools', ['in_progress', 'completed']],
]);

/** Items whose text is one field: its name, and the events that tell it. */
const TEXT_FIELDS: ReadonlyMap<string, TextField> = new Map([
  ['function_call', { field: 'arguments', event: 'response.function_call_arguments' }],
  ['custom_tool_call', { field: 'input', event: 'response.custom_tool_call_input' }],
  ['mcp_call', { field: 'arguments', event: 'response.mcp_call_arguments' }],
  ['code_interpreter_call', { field: 'code', event: 'response.code_interpreter_call_code' }],
]);

/** The items with an id each that no other has. What is made up depends on the response and the place only. */
export function itemsWithIds(output: readonly unknown[], responseId: string): OutputItem[] {
  const taken = new Set<unknown>();
  return output.filter(isRecord).map((item, index) => {
    const type = typeof item.type === 'string' ? item.type : 'message';
    const made = `${ID_PREFIXES.get(type) ?? 'item'}_${responseId.replace(/^resp_/, '')}_${index}`;
    const id = typeof item.id === 'string' && item.id !== '' && !taken.has(item.id) ? item.id : made;
    taken.add(id);
    return { ...item, id, type };
  });
}

/** All events of one item, from its `added` to its `done`. */
export function* itemEvents(item: OutputItem, outputIndex: number): Generator<ItemEvent, void> {
  const at = { item_id: item.id, output_index: outputIndex };
  yield { type: 'response.output_item.added', output_index: outputIndex, item: addedItem(item) };
  if (item.type === 'message') yield* contentEvents(item, at);
  else if (item.type === 'reasoning') {
    yield* summaryEvents(item, at);
    yield* contentEvents(item, at);
  } else yield* workEvents(item, at);
  yield { type: 'response.output_item.done', output_index: outputIndex, item };
}

type Place = Readonly<{ item_id: string; output_index: number }>;

/** The item before its work: what is going to be told by events of its own is still empty. */
function addedItem(item: OutputItem): ResponseJson {
  const text = textField(item);
  return {
    ...item,
    ...(typeof item.status === 'string' ? { status: 'in_progress' } : {}),
    ...(hasParts(item) && isRecords(item.content) ? { content: [] } : {}),
    ...(item.type === 'reasoning' && isRecords(item.summary) ? { summary: [] } : {}),
    ...(text ? { [text.field]: '' } : {}),
    ...(item.type === 'image_generation_call' && 'result' in item ? { result: null } : {}),
  };
}

function* contentEvents({ content }: OutputItem, at: Place): Generator<ItemEvent, void> {
  if (!isRecords(content)) return;
  for (const [index, part] of content.entries()) {
    const within = { ...at, content_index: index };
    yield { type: 'response.content_part.added', ...within, part: addedPart(part) };
    yield* partEvents(part, within);
    yield { type: 'response.content_part.done', ...within, part };
  }
}

function addedPart(part: ResponseJson): ResponseJson {
  switch (part.type) {
    case 'output_text':
      return { ...part, text: '', annotations: [], ...(Array.isArray(part.logprobs) ? { logprobs: [] } : {}) };
    case 'reasoning_text':
      return { ...part, text: '' };
    case 'refusal':
      return { ...part, refusal: '' };
    default:
      return part;
  }
}

function* partEvents(part: ResponseJson, within: Place): Generator<ItemEvent, void> {
  switch (part.type) {
    case 'output_text': {
      const text = asText(part.text);
      for (const delta of deltasOf(text)) {
        yield { type: 'response.output_text.delta', ...within, delta, logprobs: [] };
      }
      const annotations = isRecords(part.annotations) ? part.annotations : [];
      for (const [index, annotation] of annotations.entries()) {
        yield { type: 'response.output_text.annotation.added', ...within, annotation_index: index, annotation };
      }
      yield { type: 'response.output_text.done', ...within, text, logprobs: part.logprobs ?? [] };
      return;
    }
    case 'reasoning_text':
      yield* textEvents('response.reasoning_text', 'text', asText(part.text), within);
      return;
    case 'refusal':
      yield* textEvents('response.refusal', 'refusal', asText(part.refusal), within);
      return;
    default:
  }
}

function* summaryEvents({ summary }: OutputItem, at: Place): Generator<ItemEvent, void> {
  if (!isRecords(summary)) return;
  for (const [index, part] of summary.entries()) {
    const within = { ...at, summary_index: index };
    yield { type: 'response.reasoning_summary_part.added', ...within, part: { ...part, text: '' } };
    yield* textEvents('response.reasoning_summary_text', 'text', asText(part.text), within);
    yield { type: 'response.reasoning_summary_part.done', ...within, part };
  }
}

/** Tool calls and the work of hosted tools; items of other kinds have nothing between their two events. */
function* workEvents(item: OutputItem, at: Place): Generator<ItemEvent, void> {
  const [begun, ...stages] = PROGRESS.get(item.type) ?? [];
  if (begun !== undefined) yield { type: `response.${item.type}.${begun}`, ...at };
  const text = textField(item);
  if (text) yield* textEvents(text.event, text.field, asText(item[text.field]), at);
  const hasFailed = item.status === 'failed' || (item.error !== null && item.error !== undefined);
  for (const stage of stages) {
    if (stage !== 'completed' || !hasFailed) yield { type: `response.${item.type}.${stage}`, ...at };
    else if (item.type.startsWith('mcp_')) yield { type: `response.${item.type}.failed`, ...at };
  }
}

function* textEvents(event: string, field: string, text: string, within: Place): Generator<ItemEvent, void> {
  for (const delta of deltasOf(text)) yield { type: `${event}.delta`, ...within, delta };
  yield { type: `${event}.done`, ...within, [field]: text };
}

/** Never splits a character: half a surrogate pair would reach the client as a replacement character. */
function* deltasOf(text: string): Generator<string, void> {
  for (let at = 0; at < text.length;) {
    let end = at + DELTA_CHARACTERS_MAX;
    const last = text.charCodeAt(end - 1);
    if (end < text.length && last >= 0xd800 && last <= 0xdbff) end--;
    yield text.slice(at, end);
    at = end;
  }
}

function textField(item: OutputItem): TextField | null {
  const text = TEXT_FIELDS.get(item.type);
  return text && typeof item[text.field] === 'string' ? text : null;
}

function hasParts({ type }: OutputItem): boolean {
  return type === 'message' || type === 'reasoning';
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function isRecord(value: unknown): value is ResponseJson {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isRecords(value: unknown): value is ResponseJson[] {
  return Array.isArray(value) && value.every(isRecord);
}
