import fc from 'fast-check';
import { eventData } from './event-data.js';
import { responseEvents } from './response-events.js';

interface ReadEvent {
  type: string;
  sequence_number: number;
  item_id?: string;
  output_index?: number;
  item?: { id: string; type: string; status?: string };
  response?: Record<string, unknown> & { id: string; output: { id: string }[] };
  delta?: string;
  text?: string;
  part?: Record<string, unknown>;
}

function eventsOf(response: object): ReadEvent[] {
  return [...responseEvents(response as Record<string, unknown>, 'resp_fallback')].map((frame) => {
    const [name, line, ...blank] = frame.toString('utf8').split('\n');
    expect(blank).toEqual(['', '']);
    const event = JSON.parse((line ?? '').slice('data: '.length)) as ReadEvent;
    expect(name).toBe(`event: ${event.type}`);
    expect(line).toMatch(/^data: \{"type":"[^"]+","sequence_number":\d+/);
    expect([...eventData(frame)]).toHaveLength(1);
    return event;
  });
}

const typesOf = (response: object) => eventsOf(response).map(({ type }) => type.replace('response.', ''));
const responseOf = (...output: object[]) => ({ id: 'resp_1', object: 'response', status: 'completed', output });
const textPart = (text: string, more: object = {}) => ({ type: 'output_text', text, annotations: [], ...more });
const message = (...content: object[]) => ({ id: 'msg_1', type: 'message', role: 'assistant', content });

/** Items as upstreams send them, and as they should not. */
const anyItem = fc.record(
  {
    id: fc.constantFrom('', 'msg_1', 'rs_1', 7),
    type: fc.constantFrom(
      'message',
      'reasoning',
      'function_call',
      'mcp_call',
      'web_search_call',
      'constructor',
      5,
      null,
    ),
    status: fc.constantFrom('completed', 'failed', null),
    content: fc.oneof(
      fc.array(
        fc.record(
          {
            type: fc.constantFrom('output_text', 'refusal', 'reasoning_text', 'summary_text', 'new'),
            text: fc.oneof(fc.string({ unit: 'binary' }), fc.constant(null)),
            annotations: fc.jsonValue(),
            logprobs: fc.jsonValue(),
          },
          { requiredKeys: [] },
        ),
      ),
      fc.jsonValue(),
    ),
    summary: fc.oneof(fc.array(fc.record({ type: fc.constant('summary_text'), text: fc.string() })), fc.jsonValue()),
    arguments: fc.oneof(fc.string(), fc.jsonValue()),
    error: fc.jsonValue(),
  },
  { requiredKeys: [] },
);
const anyResponse = fc.record(
  {
    id: fc.constantFrom('resp_1', '', null),
    status: fc.constantFrom('completed', 'incomplete', 'failed', 'cancelled', 'queued', 'new', null),
    output: fc.oneof(fc.array(fc.oneof(anyItem, fc.jsonValue())), fc.jsonValue()),
    error: fc.jsonValue(),
    usage: fc.jsonValue(),
  },
  { requiredKeys: [] },
);

describe('responseEvents', () => {
  it('numbers any response without gaps, ends once, and keeps every id the same', () => {
    fc.assert(
      fc.property(anyResponse, (response) => {
        const events = eventsOf(response);
        expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, index) => index));
        const ends = events.filter(({ type }) => /^response\.(completed|incomplete|failed)$/.test(type));
        expect(ends).toEqual([events.at(-1)]);
        expect(new Set(events.flatMap((event) => event.response?.id ?? [])).size).toBe(1);
        const added = events.filter(({ type }) => type === 'response.output_item.added');
        const ids = added.map(({ item }) => item?.id);
        expect(new Set(ids).size).toBe(added.length);
        expect(ids).not.toContain('');
        for (const event of events) {
          if (event.output_index === undefined) continue;
          expect(event.item_id ?? event.item?.id).toBe(ids[event.output_index]);
        }
        const listed = Array.isArray(response.output) ? (ends[0]?.response?.output ?? []) : [];
        expect(listed.map(({ id }) => id)).toEqual(ids);
      }),
      { numRuns: 500 },
    );
  });

  it('tells a message as the real API does', () => {
    const annotation = { type: 'url_citation', url: 'https://a.example', title: 'A', start_index: 0, end_index: 1 };
    const refusal = { type: 'refusal', refusal: 'no' };
    expect(typesOf(responseOf(message(textPart('hello', { annotations: [annotation] }), refusal)))).toEqual([
      'created',
      'in_progress',
      'output_item.added',
      'content_part.added',
      'output_text.delta',
      'output_text.annotation.added',
      'output_text.done',
      'content_part.done',
      'content_part.added',
      'refusal.delta',
      'refusal.done',
      'content_part.done',
      'output_item.done',
      'completed',
    ]);
  });

  it('tells reasoning, tool calls and hosted tools by their own events, and others by their two ends', () => {
    const types = typesOf(
      responseOf(
        {
          type: 'reasoning',
          summary: [{ type: 'summary_text', text: 'a' }],
          content: [{ type: 'reasoning_text', text: 'b' }],
        },
        { type: 'function_call', call_id: 'c1', name: 'f', arguments: '{}' },
        { type: 'custom_tool_call', call_id: 'c2', name: 'g', input: 'x' },
        { type: 'web_search_call', status: 'completed' },
        { type: 'mcp_call', arguments: '{}', error: 'gone' },
        { type: 'brand_new', status: 'completed' },
      ),
    );
    expect(types.slice(2, -1).filter((type) => !type.startsWith('output_item'))).toEqual([
      'reasoning_summary_part.added',
      'reasoning_summary_text.delta',
      'reasoning_summary_text.done',
      'reasoning_summary_part.done',
      'content_part.added',
      'reasoning_text.delta',
      'reasoning_text.done',
      'content_part.done',
      'function_call_arguments.delta',
      'function_call_arguments.done',
      'custom_tool_call_input.delta',
      'custom_tool_call_input.done',
      'web_search_call.in_progress',
      'web_search_call.searching',
      'web_search_call.completed',
      'mcp_call.in_progress',
      'mcp_call_arguments.delta',
      'mcp_call_arguments.done',
      'mcp_call.failed',
    ]);
  });

  it('cuts a long text into deltas that are whole characters and join to the text', () => {
    const text = `a${'😀'.repeat(5000)}`;
    const events = eventsOf(responseOf(message(textPart(text))));
    const deltas = events.flatMap((event) => event.delta ?? []);
    expect(deltas.length).toBeGreaterThan(3);
    expect(deltas.every((delta) => delta.isWellFormed())).toBe(true);
    expect(deltas.join('')).toBe(text);
    expect(events.find(({ type }) => type === 'response.output_text.done')?.text).toBe(text);
  });

  it('shows the response without its end until the end, and then as it came', () => {
    const response = {
      ...responseOf(message(textPart('x'))),
      completed_at: 12,
      error: null,
      usage: { total_tokens: 3 },
      metadata: { a: 'b' },
      a_new_field: [1, 2],
    };
    const events = eventsOf(response);
    expect(events[0]?.response).toEqual({
      ...response,
      status: 'in_progress',
      completed_at: null,
      usage: null,
      output: [],
    });
    expect(events.at(-1)?.response).toEqual(response);
  });

  it.each([
    ['completed', {}, 'response.completed'],
    ['incomplete', {}, 'response.incomplete'],
    ['failed', {}, 'response.failed'],
    ['cancelled', {}, 'response.failed'],
    ['queued', {}, 'response.incomplete'],
    [undefined, {}, 'response.completed'],
    [undefined, { error: { code: 'server_error' } }, 'response.failed'],
  ])('ends a response of status %s with %j by %s', (status, more, type) => {
    expect(eventsOf({ id: 'resp_1', status, ...more, output: [] }).at(-1)?.type).toBe(type);
  });

  it('gives the same ids to items without any, however often it is asked', () => {
    const response = responseOf({ type: 'function_call', arguments: '' }, { type: 'function_call', arguments: '' });
    const ids = () =>
      eventsOf(response)
        .at(-1)
        ?.response?.output.map(({ id }) => id);
    expect(ids()).toEqual(['fc_1_0', 'fc_1_1']);
    expect(ids()).toEqual(ids());
  });
});
