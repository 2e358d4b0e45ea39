// The bytes of the benchmark: what clients ask, what the upstream answers. Made once, before any measurement.

/** Model names; the upstream reads off them which answer is wanted. */
export const models = { json: 'bench-json', burst: 'bench-burst', paced: 'bench-paced' };

export const EVENTS_PER_STREAM = 200;
const REQUEST_BYTES = 4096;
/** A long session of Codex: hundreds of items. */
export const LARGE_REQUEST_BYTES = 1024 * 1024;
const LARGE_ITEM_BYTES = 3_000;
/** Stands before 16 digits that a paced stream fills with its time of sending, in microseconds. */
export const STAMP = '"obfuscation":"';
export const STAMP_DIGITS = 16;

const RESPONSE_ID = 'resp_0c1f6a7d9be24c3f8a5d7e6b4f3a2c1d';
const ITEM = '"item_id":"msg_0c1f6a7d","output_index":0,"content_index":0';
const EVENTS_AROUND_DELTAS = 8;
const USAGE =
  '{"input_tokens":1024,"input_tokens_details":{"cached_tokens":512},"output_tokens":192,' +
  '"output_tokens_details":{"reasoning_tokens":64},"total_tokens":1216}';

/** A request body of exactly 4 KB. */
export function requestBody(model, stream) {
  const build = (text) =>
    JSON.stringify({
      model,
      instructions: 'You are a coding agent. Answer briefly.',
      input: [{ type: 'message', role: 'user', content: [{ type: 'input_text', text }] }],
      tool_choice: 'auto',
      parallel_tool_calls: true,
      store: false,
      stream,
      prompt_cache_key: '0199c0de-0000-7000-8000-000000000001',
    });
  const words = 'please explain what this function does and why, ';
  const padding = REQUEST_BYTES - Buffer.byteLength(build(''));
  return Buffer.from(build(words.repeat(Math.ceil(padding / words.length)).slice(0, padding)));
}

/** A request body of about 1 MB, in items as Codex sends them. */
export function largeRequestBody(model) {
  const text = 'const answer = await fetch(url); // what the tool printed\n'.repeat(LARGE_ITEM_BYTES / 60);
  const items = Array.from({ length: LARGE_REQUEST_BYTES / (LARGE_ITEM_BYTES + 250) }, (_, index) =>
    index % 2 === 0
      ? { type: 'message', id: `msg_${index}`, role: 'user', content: [{ type: 'input_text', text }] }
      : { type: 'function_call_output', call_id: `call_${index}`, output: text },
  );
  return Buffer.from(JSON.stringify({ model, stream: false, input: items, store: false, prompt_cache_key: 'bench' }));
}

/** A whole HTTP answer: head and a small JSON body. */
export function jsonAnswer(model) {
  const body = responseObject(model, 'completed', USAGE, message('Hello'));
  return Buffer.from(
    'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_bench\r\nopenai-processing-ms: 12\r\n' +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

/** The head of a stream of events. */
export const streamHead = Buffer.from(
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nx-request-id: req_bench\r\n' +
    'openai-processing-ms: 12\r\ntransfer-encoding: chunked\r\n\r\n',
);

/** What ends a chunked body. */
export const streamEnd = Buffer.from('0\r\n\r\n');

/** One stream of a true event sequence, each event framed as an HTTP chunk of its own. */
export function eventChunks(model) {
  const events = [];
  const add = (type, rest) => {
    const json = `{"type":"${type}","sequence_number":${events.length},${rest}}`;
    events.push(`event: ${type}\ndata: ${json}\n\n`);
  };
  const running = `"response":${responseObject(model, 'in_progress', 'null', '')}`;
  const deltas = EVENTS_PER_STREAM - EVENTS_AROUND_DELTAS;
  const text = ' word'.repeat(deltas);
  add('response.created', running);
  add('response.in_progress', running);
  add('response.output_item.added', `"output_index":0,"item":${message('')}`);
  add('response.content_part.added', `${ITEM},"part":{"type":"output_text","annotations":[],"text":""}`);
  for (let i = 0; i < deltas; i++) {
    add('response.output_text.delta', `${ITEM},"delta":" word",${STAMP}${'0'.repeat(STAMP_DIGITS)}"`);
  }
  add('response.output_text.done', `${ITEM},"text":"${text}"`);
  add('response.content_part.done', `${ITEM},"part":{"type":"output_text","annotations":[],"text":"${text}"}`);
  add('response.output_item.done', `"output_index":0,"item":${message(text)}`);
  add(
    'response.completed',
    `${STAMP}${'0'.repeat(STAMP_DIGITS)}","response":${responseObject(model, 'completed', USAGE, message(text))}`,
  );
  return events.map((event) => Buffer.from(`${Buffer.byteLength(event).toString(16)}\r\n${event}\r\n`));
}

function message(text) {
  const content = text && `{"type":"output_text","annotations":[],"text":"${text}"}`;
  return `{"id":"msg_0c1f6a7d","type":"message","status":"completed","role":"assistant","content":[${content}]}`;
}

function responseObject(model, status, usage, output) {
  return (
    `{"id":"${RESPONSE_ID}","object":"response","created_at":1790000000,"status":"${status}","error":null,` +
    `"incomplete_details":null,"instructions":null,"model":"${model}","output":[${output}],` +
    '"parallel_tool_calls":true,"previous_response_id":null,"reasoning":{"effort":null,"summary":null},' +
    '"store":false,"temperature":1,"text":{"format":{"type":"text"}},"tool_choice":"auto","tools":[],"top_p":1,' +
    `"truncation":"disabled","usage":${usage},"metadata":{}}`
  );
}
